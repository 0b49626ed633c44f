"""
Measure the gateway and say how it stands.

    python -m bench [--quick] [--runs N] [--keep] [SCENARIO …]

Progress goes to stderr, the table to stdout. All of it takes ten to fifteen minutes; ``--quick`` a few, and one
scenario by name about a minute. Everything runs on this machine and loopback, and is ended when this ends.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from bench import (
    authentication,
    comeback,
    fan_out,
    floods,
    handshakes,
    history,
    idle,
    limits,
    memory,
    positions,
    publish,
    revocation,
    scan,
    slow_readers,
    stalled,
    steady,
    unicast,
)
from bench.figures import Figure, table
from bench.ground import Ground
from bench.scale import FULL, QUICK, Scale

FILES_NEEDED = 12_000
RESULTS = Path(__file__).parent / "results"
SCENARIOS: dict[str, Callable[[Ground, Scale], list[Figure]]] = {
    "fan_out": fan_out.measure,
    "unicast": unicast.measure,
    "steady": steady.measure,
    "memory": memory.measure,
    "stalled": stalled.measure,
    "handshakes": handshakes.measure,
    "idle": idle.measure,
    "churn": idle.measure_churn,
    "comeback": partial(comeback.measure, tier="window"),
    "comeback_history": partial(comeback.measure, tier="history"),
    "comeback_kafka": partial(comeback.measure, tier="kafka"),
    "slow_readers": slow_readers.measure,
    "history": history.measure,
    "scan": scan.measure,
    "limits": limits.measure,
    "publish": publish.measure,
    "revocation": revocation.measure,
    "authentication": authentication.measure,
    "positions": positions.measure,
    "floods": floods.measure,
}
ONLY_BY_NAME = {"churn"}  # ten minutes of its own


def main() -> None:
    """Run what was asked for."""
    options = _options()
    _raise_file_limit()
    scale = QUICK if options.quick else FULL
    if options.runs:
        scale = replace(scale, repetitions=options.runs)
    machine, load_before = _machine(), os.getloadavg()
    path = RESULTS / f"{datetime.now(UTC):%Y-%m-%dT%H%M}.json"
    figures: list[Figure] = []
    broken: list[str] = []
    for name in options.scenarios or [name for name in SCENARIOS if name not in ONLY_BY_NAME]:
        try:
            with Ground() as ground:  # each on servers of its own: none leaves another something to do
                found = SCENARIOS[name](ground, scale)
        except (RuntimeError, OSError) as error:  # the others can still be measured
            print(f"{name} could not be measured: {error}", file=sys.stderr, flush=True)
            broken.append(name)
            continue
        print(table(found), file=sys.stderr, flush=True)
        figures += found
        if options.keep:
            _keep(path, figures, machine, load_before[0])
    print(f"{machine}; load before {load_before[0]:.1f}\n\n{table(figures)}")
    if broken:
        sys.exit(f"not measured: {', '.join(broken)}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the gateway beside others.")
    parser.add_argument(
        "scenarios",
        nargs="*",
        metavar="SCENARIO",
        help=f"some of {', '.join(SCENARIOS)}; default: all but {', '.join(ONLY_BY_NAME)}",
    )
    parser.add_argument("--quick", action="store_true", help="two short runs each: a look, not a verdict")
    parser.add_argument("--runs", type=int, choices=range(1, 51), metavar="N", help="runs of each scenario (default 5)")
    parser.add_argument("--keep", action="store_true", help="write the figures to bench/results/ too")
    options = parser.parse_args()
    unknown = set(options.scenarios) - set(SCENARIOS)
    if unknown:
        parser.error(f"there is no scenario {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}")
    return options


def _raise_file_limit() -> None:
    """Ten thousand clients need as many files, in the gateway and in the process of clients; both inherit ours."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FILES_NEEDED:
        sys.exit(
            f"{FILES_NEEDED} open files are needed and {hard} allowed: call `ulimit -Hn {FILES_NEEDED}` as root first"
        )
    if soft != resource.RLIM_INFINITY and soft < FILES_NEEDED:
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES_NEEDED, hard))


def _machine() -> str:
    model = re.findall(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    total_kb = re.findall(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({model[0] if model else platform.machine()}), "
        f"{int(total_kb[0]) / 2**20:.0f} GiB, Linux {platform.release()}, Python {platform.python_version()}"
    )


def _keep(path: Path, figures: list[Figure], machine: str, load: float) -> None:
    """Write what there is so far: a run that is broken off was not for nothing."""
    RESULTS.mkdir(exist_ok=True)
    kept = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": f"python -m bench {' '.join(sys.argv[1:])}".strip(),
        "machine": machine,
        "load_before": load,
        "figures": [figure.as_data() for figure in figures],
    }
    path.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    print(f"kept in {path}", file=sys.stderr)


if __name__ == "__main__":
    main()
