"""
An edge, put together: tail, hub, devices, REST and the ops port, from start to drain.

    parts       all of it, made of the settings; nothing runs yet
    trust       whose tokens and keys are believed, and how that changes
    condition   how the edge is: whether clients should come, and what a scrape shows
    edge        start and serve, until SIGTERM or SIGINT
    drain       not ready, so the load balancer looks elsewhere; clients are told to move, a few at a time
    running     the process around it: the loop, and the reason for which it ends

A part that fails for good (a bug, an unreadable certificate) takes the process down with its reason in one sentence;
Kafka or Redis being away does not.
"""

from gateway.server.edge import Edge
from gateway.server.running import run

__all__ = ["Edge", "run"]
