"""Ctrl-C before a command has begun: what it imports takes a second."""

import subprocess
from pathlib import Path

from tests.cli.conftest import COMMAND, bridge_environment


def test_an_interrupt_while_a_command_is_imported_ends_it_without_a_word(tmp_path: Path):
    (tmp_path / "typer.py").write_text("raise KeyboardInterrupt\n")

    done = subprocess.run(
        [*COMMAND, "report"],
        env=bridge_environment("sqlite:///nowhere.sqlite3"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
