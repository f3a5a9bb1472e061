"""``python -m bench CASE [--rounds N] [--seconds S] [--json] [--write DOCUMENT]``; ``all`` is every case in one run."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from bench import census, document, flood, passthrough, reporting, shadowing, timing, wrapping
from bench.figures import Figure
from bench.peers import protected, rotating

Case = Callable[[int, float], list[Figure]]

CASES: Final[dict[str, Case]] = {
    "census": census.measure,
    "flood": flood.measure_flood,
    "login": flood.measure_login,
    "mixed": rotating.measure_mixed,
    "passthrough": passthrough.measure,
    "peers": protected.measure,
    "refresh": rotating.measure_refresh,
    "reporting": reporting.measure,
    "shadowing": shadowing.measure,
    "timing": timing.measure,
    "wrapping": wrapping.measure,
}


ALL: Final = "all"


def main(arguments: Sequence[str] | None = None, *, cases: Mapping[str, Case] = CASES) -> None:
    """Measure one case, or all, and print what came out."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("case", choices=[*sorted(cases), ALL])
    parser.add_argument("--rounds", type=int, default=15, help="how often each side is measured, in turns")
    parser.add_argument("--seconds", type=float, default=0.5, help="for each measurement")
    parser.add_argument(
        "--write", type=Path, metavar="DOCUMENT", help="into which the ratios go, such as docs/performance.md"
    )
    parser.add_argument("--json", action="store_true", help="for machines")
    given = parser.parse_args(arguments)
    names = sorted(cases) if given.case == ALL else [given.case]
    # Of all, only those are written that the document has a place for.
    written = [name for name in names if given.write and (given.case != ALL or document.has_place(given.write, name))]
    found = {}
    for name in names:
        found[name] = cases[name](given.rounds, given.seconds)
        if name in written:
            document.write(given.write, name, found[name], rounds=given.rounds)
        if not given.json:
            _print(name, found[name], is_one_of_many=given.case == ALL)
    if given.json:
        figures = [{"case": name} | asdict(figure) for name in names for figure in found[name]]
        sys.stdout.write(json.dumps(figures, indent=2) + "\n")


def _print(case: str, figures: list[Figure], *, is_one_of_many: bool) -> None:
    """Print a case's rows of the table as soon as they are there: all cases take a while."""
    prefix = f"{case:<12}" if is_one_of_many else ""
    sys.stdout.writelines(f"{prefix}{figure}\n" for figure in figures)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
