"""What ``python -m bench`` does with what its cases find."""

import json
from pathlib import Path

import pytest

from bench.__main__ import Case, main
from bench.figures import Figure


def finding(name: str) -> Case:
    return lambda rounds, seconds: [Figure.of(f"{name}: one / other", [seconds] * rounds, target=">= 2")]


CASES = {"first": finding("first"), "second": finding("second")}
DOCUMENT = "Before.\n\n<!-- bench second -->\n<!-- end of second -->\n\nAfter.\n"


def test_all_cases_are_one_table(capsys: pytest.CaptureFixture[str]):
    main(["all", "--rounds", "3", "--seconds", "2.5"], cases=CASES)

    rows = capsys.readouterr().out.splitlines()
    assert [(row.split()[0], row.split()[-1]) for row in rows] == [("first", "2"), ("second", "2")]
    assert all("2.50" in row for row in rows)


def test_for_machines_each_figure_names_its_case(capsys: pytest.CaptureFixture[str]):
    main(["all", "--json"], cases=CASES)

    assert [(each["case"], each["median"]) for each in json.loads(capsys.readouterr().out)] == [
        ("first", 0.5),
        ("second", 0.5),
    ]


def test_a_document_gets_the_tables_that_it_has_a_place_for(tmp_path: Path):
    document = tmp_path / "performance.md"
    document.write_text(DOCUMENT)

    main(["all", "--write", str(document)], cases=CASES)

    assert "| second: one / other | 0.50 | 0.50 to 0.50 | 0.50 to 0.50 | >= 2 |" in document.read_text()
    assert "first" not in document.read_text()
    assert document.read_text().endswith("After.\n")


def test_a_document_gets_ratios_and_what_is_claimed_in_another_unit(tmp_path: Path):
    document = tmp_path / "performance.md"
    document.write_text(DOCUMENT)
    figures = [
        Figure.of("through - direct", [0.75], unit="ms", target="<= 1"),
        Figure.of("direct", [2.5], unit="ms"),
        Figure.of("failed", [0], target="0"),
    ]

    main(["second", "--write", str(document)], cases={"second": lambda rounds, seconds: figures})

    rows = [line for line in document.read_text().splitlines() if line.startswith("| ") and "median" not in line]
    assert rows == ["| through - direct | 0.75 ms | 0.75 to 0.75 | 0.75 to 0.75 | <= 1 |"]


def test_one_case_that_has_no_place_is_told(tmp_path: Path):
    document = tmp_path / "performance.md"
    document.write_text(DOCUMENT)

    with pytest.raises(ValueError, match="first"):
        main(["first", "--write", str(document)], cases=CASES)
