"""What `lastmile dev` prints once it is ready: where everything is, who may come in, and what to paste."""

from __future__ import annotations

from typing import NamedTuple

from gateway.dev.customers import CUSTOMERS

_TEXT = """
Lastmile serves this machine, with Kafka, Redis and a demo bank inside. Nothing is kept. Ctrl-C ends it.

  page      http://{host}:{port}/
  clients   ws://{host}:{port}    channels account:{first} to account:{last}
  ops       http://{host}:{ops_port}/metrics, /health/ready
  Kafka     {kafka}         topics {topics}
  key       {key}
  token     {token}
            (reads account:*, for {token_hours} hours; instead of the key)

In another terminal:

  {command} subscribe account:{first} --url ws://{host}:{port} --rewind 5 --key {key}

With the SDK (npm install ably):

  import * as Ably from 'ably';
  const client = new Ably.Realtime({{ endpoint: '{host}', port: {port}, tls: false, key: '{key}' }});
  await client.channels.get('account:{first}').subscribe(({{ name, data }}) => console.log(name, data));
"""


class Invitation(NamedTuple):
    """
    All that is worth telling.

    Args:
        command: How this program is called where it was called from.
        host: The address that is listened on.
        port: Of the page and of the clients.
        ops_port: Of health and metrics.
        kafka: The embedded broker's address; other programs may write to its topics.
        topics: Their names.
        key: May do anything here, and is known to everybody.
        token: May read all accounts.
        token_seconds: For so long.
    """

    command: str
    host: str
    port: int
    ops_port: int
    kafka: str
    topics: tuple[str, ...]
    key: str
    token: str
    token_seconds: float

    def __str__(self) -> str:
        return _TEXT.format_map(
            self._asdict()
            | {
                "topics": ", ".join(self.topics),
                "first": CUSTOMERS[0].account,
                "last": CUSTOMERS[-1].account,
                "token_hours": round(self.token_seconds / 3600),
            }
        )
