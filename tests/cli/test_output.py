"""What becomes of a command's output where nobody takes it."""

import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.cli.conftest import COMMAND, bridge_environment

FULL: Final = Path("/dev/full")  # Linux has it
COMMANDS: Final = ["report", "report --json", "report --remaining"]

both_ways = pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])


@both_ways
@pytest.mark.parametrize("command", COMMANDS)
def test_output_that_a_full_disk_does_not_take_is_one_line_with_its_cure(
    sqlite_url: str, tmp_path: Path, command: str, unbuffered: str
):
    with FULL.open("w") as output:
        done = subprocess.run(
            [*COMMAND, *command.split()],
            env=bridge_environment(sqlite_url, PYTHONUNBUFFERED=unbuffered),
            cwd=tmp_path,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert done.stderr.startswith("bridge: The output could not be written (No space left on device). Make room")


def test_a_full_disk_that_takes_no_error_either_leaves_the_exit_code(sqlite_url: str, tmp_path: Path):
    with FULL.open("w") as output:
        done = subprocess.run(
            [*COMMAND, "report"],
            env=bridge_environment(sqlite_url),
            cwd=tmp_path,
            stdout=output,
            stderr=output,
            check=False,
        )

    assert done.returncode == 2


@pytest.mark.parametrize(("command", "code"), [("--version", 0), ("report --algorithm no-such", 2)])
def test_a_command_whose_output_is_closed_does_its_work_all_the_same(
    sqlite_url: str, tmp_path: Path, command: str, code: int
):
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" >&-', "sh", *COMMAND, *command.split()],
        env=bridge_environment(sqlite_url),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr


@both_ways
@pytest.mark.parametrize("command", COMMANDS)
def test_output_that_nobody_reads_to_its_end_is_no_error_worth_a_word(
    sqlite_url: str, tmp_path: Path, command: str, unbuffered: str
):
    with subprocess.Popen(
        [*COMMAND, *command.split()],
        env=bridge_environment(sqlite_url, PYTHONUNBUFFERED=unbuffered),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()

        assert process.stderr.read() == ""
        assert process.wait() == 1
