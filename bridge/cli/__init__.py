"""The command line: one module a command."""

import errno
import os
import sys
from contextlib import suppress
from typing import Annotated, Final, NoReturn

import typer
from rich.console import Console

import bridge
from bridge.cli import demo, doctor, endpoints, hashes, keys, migrate, privileges, report, serve
from bridge.cli.auditing import AuditLog
from bridge.errors import BridgeError, DatabaseError, DatabaseUnavailable

__all__ = ["run"]

_UNUSABLE: Final = 2
_UNREAD: Final = 1
"""Whoever read the output has read enough; what typer exits with where it notices first."""
_UNWRITTEN: Final = frozenset({errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})

app = typer.Typer(
    name="bridge",
    help="Move a Django site to FastAPI without a big bang.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve.serve)
app.command("migrate")(migrate.migrate)
app.command("doctor")(doctor.doctor)
app.command("report")(report.report)
app.command("privileges")(privileges.privileges)
app.add_typer(hashes.app, name="hashes")
app.add_typer(keys.app, name="keys")
app.add_typer(endpoints.app, name="endpoints")
app.command("demo")(demo.demo)


def run() -> None:
    """Run a command; an error that we foresaw is one line and exit 2."""
    try:
        try:
            app()
        finally:
            _flush()  # while what goes wrong can still be told
    except DatabaseUnavailable as exc:
        _end(f"bridge: The database cannot be reached: {exc}. {exc.cure}")
    except DatabaseError as exc:
        _end(f"bridge: The database refuses this ({exc}). See what `bridge doctor` finds, and the database's log.")
    except BridgeError as exc:
        _end(f"bridge: {exc}")
    except OSError as exc:
        if exc.errno not in _UNWRITTEN:
            raise
        _let_go_of_output()
        if exc.errno == errno.EPIPE:
            sys.exit(_UNREAD)
        _end(f"bridge: The output could not be written ({exc.strerror}). Make room there, and run the command again.")


def _flush() -> None:
    if sys.stdout is not None:  # as where whoever starts the command has closed it
        sys.stdout.flush()


def _let_go_of_output() -> None:
    """Keep the interpreter, which flushes again, from telling in its own way."""
    with suppress(OSError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _end(line: str) -> NoReturn:
    with suppress(OSError):  # the same disk may hold both
        Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(line)
    sys.exit(_UNUSABLE)


def _show_version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(bridge.__version__)
        raise typer.Exit


@app.callback()
def options(
    *,
    audit_log: AuditLog = None,  # its callback begins it
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=lambda wanted: _show_version(wanted=wanted),
            is_eager=True,
            help="Show the version.",
        ),
    ] = False,
) -> None:
    """Move a Django site to FastAPI without a big bang."""
