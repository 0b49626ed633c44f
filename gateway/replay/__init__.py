"""
The reader of the past, for attachments that the window cannot serve alone.

    history    pieces of a channel out of Redis, many channels in one round trip
    proving    whether Kafka still has everything from a position on
    scanning   passes over partitions of Kafka, shared by all who need one
    rewinding  where those begin who ask for earlier messages
    replayer   who is where, and for how long

Nobody has a task of his own: a few workers take from queues. Memory for one that reads slowly is its position: when its
outlet is full it leaves, and it is queued again when its outlet has drained.
"""

from gateway.replay.replayer import Replayer
from gateway.replay.tiers import Tiers

__all__ = ["Replayer", "Tiers"]
