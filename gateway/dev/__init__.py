"""
`lastmile dev`: everything in one process, so that a person can try the product before installing anything else.

    customers, stories    who banks here, and what happens to them
    books                 one account: events in order, a balance that adds up; decides, never waits
    bank                  the loop that posts events to Kafka; runs by itself, too
    embedded              Kafka and Redis on loopback ports of this process
    site, page/           the page on which a person cuts the connection
    invitation            what is printed: where everything is, and what to paste
    demo                  all of it together
"""

from __future__ import annotations


def run(*, port: int) -> None:
    """
    Serve the demo on 127.0.0.1 until told to stop.

    Args:
        port: Of the page and of the clients.

    Raises:
        click.ClickException: If the port is taken, or an embedded part does not start.
    """
    from gateway.dev.demo import serve  # noqa: PLC0415  # `python -m gateway.dev.bank` must not load itself from here

    serve(port)
