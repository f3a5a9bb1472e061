"""The benchmarks run. What they find is for people to judge: no test asserts a time."""

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import CHECKOUT


@pytest.mark.parametrize(
    ("on", "named"),
    [pytest.param((), "", id="sqlite"), pytest.param(("--database", "postgresql"), ", PostgreSQL", id="postgresql")],
)
def test_passing_through_is_measured_in_one_run_and_no_request_fails(on: tuple[str, ...], named: str):
    command = (sys.executable, "-m", "bench", "passthrough", *on, "--rounds", "1", "--seconds", "0.2", "--json")
    environment = os.environ | {"BENCH_AT_ONCE": "1"}
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    figures = {figure["name"]: figure for figure in json.loads(done.stdout)}
    assert figures[f"through, by a socket file / direct, 16 connections{named}"]["median"] > 0
    assert figures["failed requests a round"]["high"] == 0


def test_wrapping_is_measured_against_its_hashes_alone():
    command = (sys.executable, "-m", "bench", "wrapping", "--rounds", "1", "--seconds", "0.1", "--json")
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    figures = {figure["name"]: figure for figure in json.loads(done.stdout)}
    assert figures["wrapped / alone"]["median"] > 0
