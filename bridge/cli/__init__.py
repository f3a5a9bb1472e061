"""The command line: one module a command."""

import sys
from typing import Annotated

import typer
from rich.console import Console

import bridge
from bridge.cli import demo, doctor, endpoints, hashes, keys, migrate, privileges, report, serve
from bridge.cli.auditing import AuditLog
from bridge.errors import BridgeError

__all__ = ["run"]

_UNUSABLE = 2

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
        app()
    except BridgeError as exc:
        Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(f"bridge: {exc}")
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
