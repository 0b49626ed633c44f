"""Why an edge ended by itself."""

from __future__ import annotations

import logging

from gateway.errors import GatewayError, PartFailed

_log = logging.getLogger("gateway.server")


def failure_of(failures: BaseExceptionGroup[BaseException]) -> GatewayError:
    """
    What to tell an operator of whatever ended the parts of an edge: one sentence.

    What is none of our errors is a bug; its traceback goes to the log, since no sentence could be known beforehand.
    """
    ours, bugs = failures.split(GatewayError)
    if ours is None or bugs is not None:
        _log.error("a part of the edge failed, the process ends", exc_info=bugs)
        return PartFailed("a part of the edge failed for a reason that nobody foresaw; the log has its traceback")
    first = ours.exceptions[0]
    return failure_of(first) if isinstance(first, BaseExceptionGroup) else first
