"""
`lastmile run --workers N`: one process for each core, all on one public port.

The kernel spreads connections over processes that listen with SO_REUSEPORT. They share nothing; each has its own tail,
window and ops port. If one dies the others are drained too and the whole ends with an error: whoever started it
(a container's runtime, systemd) starts it anew, and nobody serves with half the workers unnoticed. If the process that
started them dies, they drain as well: orphans would hold the port beside whatever is started next.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from types import FrameType

from gateway import logs, server
from gateway.errors import AddressUnavailable, GatewayError
from gateway.settings import Settings

_log = logging.getLogger("gateway.workers")
MAX_PORT = 65535


def settings_of(settings: Settings, worker: int) -> Settings:
    """The settings of one worker: as given, but for an ops port of its own."""
    ops_port = settings.server.ops_port + worker
    return settings.model_copy(update={"server": settings.server.model_copy(update={"ops_port": ops_port})})


def run_workers(settings: Settings, workers: int, reread: Callable[[], Settings]) -> int:
    """
    Run so many edges until told to stop; SIGHUP is passed on to them.

    Args:
        reread: Gives the settings as they are written now; each worker calls it for itself.

    Returns:
        The exit code: 0 if all of them drained and ended because this process was told to.

    Raises:
        AddressUnavailable: If there are not so many ops ports.
    """
    _check_ops_ports(settings, workers)
    spawning = multiprocessing.get_context("spawn")
    processes: list[BaseProcess] = [
        spawning.Process(target=_work, args=(settings, worker, reread), name=f"worker {worker}")
        for worker in range(workers)
    ]
    is_stopping = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal is_stopping
        is_stopping = True
        _terminate(processes)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)  # before there is anybody who could be left behind
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # which workers inherit until they hear it themselves
    for process in processes:
        process.start()
    signal.signal(signal.SIGHUP, lambda _number, _frame: _signal(processes, signal.SIGHUP))
    if is_stopping:
        _terminate(processes)
    wait([process.sentinel for process in processes])
    if not is_stopping:
        _log.error("a worker ended by itself, the others are drained", extra={"count": workers})
    _terminate(processes)
    for process in processes:
        process.join()
    return 0 if is_stopping and all(_is_in_order(process) for process in processes) else 1


def _check_ops_ports(settings: Settings, workers: int) -> None:
    first, last = settings.server.ops_port, settings.server.ops_port + workers - 1
    if last > MAX_PORT:
        raise AddressUnavailable(
            f"server.ops_port: {workers} workers need {first} to {last}, and ports end at {MAX_PORT}"
        )
    if first <= settings.server.port <= last:
        raise AddressUnavailable(
            f"server.ops_port: {workers} workers need {first} to {last}, which server.port is one of; set another one"
        )


def _is_in_order(process: BaseProcess) -> bool:
    """Whether a worker that was told to stop did so: drained, or still starting and with nobody to drain."""
    return process.exitcode in {0, -signal.SIGTERM}


def _terminate(processes: Sequence[BaseProcess]) -> None:
    _signal(processes, signal.SIGTERM)


def _signal(processes: Sequence[BaseProcess], number: signal.Signals) -> None:
    for process in processes:
        if process.pid is not None and process.is_alive():
            os.kill(process.pid, number)


def _work(settings: Settings, worker: int, reread: Callable[[], Settings]) -> None:
    logs.configure(settings.log)
    threading.Thread(target=_leave_with_parent, name="parent", daemon=True).start()
    try:
        server.run(settings_of(settings, worker), reuse_port=True, reread=lambda: settings_of(reread(), worker))
    except GatewayError as error:
        _log.error("a worker cannot serve", extra={"error": error.message})
        sys.exit(1)


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
