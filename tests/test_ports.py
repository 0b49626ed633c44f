"""The ports that tests give to servers: no two test runs on one machine, such as xdist's workers, are given the same."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import ExitStack, suppress

from tests.testbed.ports import BLOCK_PORTS, EPHEMERAL_PORTS, LOWEST_PORT, free_port, free_ports
from tests.testbed.process import ROOT

MORE_THAN_A_BLOCK = BLOCK_PORTS + 10
# Tells its ports, which nobody listens on, and stays until its input ends.
ANOTHER_RUN = f"""
import sys
from tests.testbed.ports import free_port
print(*(free_port() for _ in range({MORE_THAN_A_BLOCK})), flush=True)
sys.stdin.read()
"""


def test_two_runs_are_given_no_port_in_common_though_nobody_listens_yet() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ANOTHER_RUN], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        theirs = {int(port) for port in other.stdout.readline().split()}
        ours = {free_port() for _ in range(MORE_THAN_A_BLOCK)}
        other.communicate(timeout=10)
    assert len(theirs) == len(ours) == MORE_THAN_A_BLOCK
    assert ours.isdisjoint(theirs)
    assert all(LOWEST_PORT <= port < EPHEMERAL_PORTS for port in ours | theirs)


def test_a_port_that_somebody_listens_on_is_passed_over() -> None:
    last = free_port()
    with ExitStack() as listening:
        with suppress(OSError):  # somebody does already
            listening.enter_context(socket.create_server(("127.0.0.1", last + 1)))
        assert free_port() not in {last, last + 1}


def test_ports_in_a_row_are_all_free() -> None:
    first = free_ports(5)
    for port in range(first, first + 5):
        socket.create_server(("127.0.0.1", port)).close()
