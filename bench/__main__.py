"""``python -m bench CASE [--rounds N] [--seconds S] [--json] [--write DOCUMENT]``; ``python -m bench soak --help``."""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Final

from bench import census, document, flood, passthrough, reporting, shadowing, timing, wrapping
from bench.figures import Figure
from bench.peers import protected
from bench.soak import run as soak

Case = Callable[[int, float], list[Figure]]

CASES: Final[dict[str, Case]] = {
    "census": census.measure,
    "flood": flood.measure_flood,
    "login": flood.measure_login,
    "passthrough": passthrough.measure,
    "peers": protected.measure,
    "reporting": reporting.measure,
    "shadowing": shadowing.measure,
    "timing": timing.measure,
    "wrapping": wrapping.measure,
}


def main() -> None:
    """Measure one case, and print what came out."""
    if sys.argv[1:2] == ["soak"]:
        sys.exit(soak.main(sys.argv[2:]))  # it has a verdict, and options of its own
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("case", choices=sorted(CASES))
    parser.add_argument("--rounds", type=int, default=15, help="how often each side is measured, in turns")
    parser.add_argument("--seconds", type=float, default=0.5, help="for each measurement")
    parser.add_argument(
        "--write", type=Path, metavar="DOCUMENT", help="into which the ratios go, such as docs/performance.md"
    )
    parser.add_argument("--json", action="store_true", help="for machines")
    given = parser.parse_args()
    figures = CASES[given.case](given.rounds, given.seconds)
    if given.write is not None:
        document.write(given.write, given.case, figures, rounds=given.rounds)
    if given.json:
        sys.stdout.write(json.dumps([asdict(figure) for figure in figures], indent=2) + "\n")
    else:
        sys.stdout.writelines(f"{figure}\n" for figure in figures)


if __name__ == "__main__":
    main()
