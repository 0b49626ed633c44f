"""`make chaos`: the long mode."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from random import SystemRandom

from tests.chaos.plan import long
from tests.chaos.report import complaint, table
from tests.chaos.run import run_chaos


def main() -> int:
    """Returns: 0 if nobody was wronged, else 1."""
    parser = argparse.ArgumentParser(prog="make chaos")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(1_000_000))
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--deliveries", type=int, default=5_000_000)
    asked = parser.parse_args()
    plan = long(asked.seed, minutes=asked.minutes, deliveries=asked.deliveries)
    directory = Path(tempfile.mkdtemp(prefix="lastmile-chaos-"))
    print(f"data and logs of this run: {directory}", flush=True)  # noqa: T201
    outcome = run_chaos(directory, plan, lambda line: print(line, flush=True))  # noqa: T201
    print("\n".join(table(outcome)))  # noqa: T201
    if not outcome.is_clean:
        print(complaint(outcome))  # noqa: T201
    return 0 if outcome.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
