"""``bridge demo``: both apps on one database, to try and to watch."""

import shlex
import signal
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from bridge.errors import ConfigurationError

if TYPE_CHECKING:
    from bridge.demo.site import DemoSite, RunningDemo

__all__ = ["demo"]

_DEFAULT_FOLDER = Path("bridge-demo")


def demo(
    folder: Annotated[
        Path | None,
        typer.Option("--dir", help="Where the demo lives. [default: bridge-demo; with --once a temporary one]"),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The bridge's port; 0 for any.")] = 8001,
    django_port: Annotated[int, typer.Option(min=0, max=65535, help="Django's port; 0 for any.")] = 8000,
    users: Annotated[int, typer.Option(min=1, help="PBKDF2 users besides one for each hash format.")] = 20,
    *,
    once: Annotated[
        bool, typer.Option("--once", help="Play the walk-through and end; exit 0 only if all holds.")
    ] = False,
    database_url: Annotated[
        str | None, typer.Option(help="An empty database to use instead of SQLite in the demo's folder.")
    ] = None,
) -> None:
    """Create the demo site, start Django and the bridge on it, and say what to try."""
    try:
        # httpx and the site come with [demo] only.
        from bridge.demo.site import FIRST_TRY, ROUTER, DemoSite, usable_port  # noqa: PLC0415  # with [demo]
    except ModuleNotFoundError as exc:
        raise ConfigurationError(f"{exc.name} is not installed", cure='Run `pip install -e ".[demo]"`.') from exc
    console = Console(highlight=False)
    with ExitStack() as stack:
        if folder is None:
            folder = (
                Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bridge-"))) if once else _DEFAULT_FOLDER
            )
        django_port = usable_port(django_port, option="--django-port")
        port = usable_port(port, option="--port")
        if port == django_port:
            raise ConfigurationError(f"Both apps cannot have port {port}", cure="Give another --port or --django-port.")
        site = DemoSite.prepare(folder, database_url=database_url)
        if once and site.was_created():
            raise ConfigurationError(
                f"The database of {folder} holds a demo already",
                cure="Give an empty --dir or --database-url to the walk-through.",
            )
        site.create_database(users=users)
        router = FIRST_TRY if once else ROUTER
        running = stack.enter_context(site.running(port=port, django_port=django_port, router=router))
        if once:
            raise typer.Exit(0 if _played(running, console) else 1)
        _invite(running, site, console)
        _wait_for_interrupt()


def _played(running: "RunningDemo", console: Console) -> bool:
    from bridge.demo.playing import StepFailed  # noqa: PLC0415  # as above
    from bridge.demo.walkthrough import steps  # noqa: PLC0415  # as above

    failed = 0
    for step in steps(running):
        try:
            evidence = list(step.play())
        except StepFailed as exc:
            failed += 1
            console.print(f"[bold red]✗[/] {step.title}: {exc}", soft_wrap=True)
            continue
        console.print(f"[bold green]✓[/] {step.title}", soft_wrap=True)
        for line in evidence:
            console.print(f"    {line}", style="dim", markup=False, soft_wrap=True)
    console.print(f"[bold]{'All steps hold.' if not failed else f'{failed} steps do not hold.'}[/]")
    return not failed


def _invite(running: "RunningDemo", site: "DemoSite", console: Console) -> None:
    settings = " ".join(f"{name}={shlex.quote(value)}" for name, value in site.settings().items())
    console.print(
        f"""
[bold]Two apps, one database.[/] Every user's password is [bold]secret[/]; `staff` sees the report.

  Django site   {running.django}/             log in as user00002
  bridge        {running.bridge}/docs         Authorize as the same user
  both in one   {running.bridge}/             the site again, through the bridge

  curl -d grant_type=password -d username=scrypt -d password=secret {running.bridge}/auth/token

In another terminal, how far it is, and one endpoint of the site that you can move while both run:

  export {escape(settings)}
  bridge report
  bridge endpoints list
  bridge endpoints set 'GET /api/items/' migrated --reason 'to try'
  bridge endpoints rollback 'GET /api/items/'

Logs and the cutover plan are in {site.folder}. Ctrl-C stops both.""",
        soft_wrap=True,
    )


def _wait_for_interrupt() -> None:
    """Wait for Ctrl-C or a polite stop; the servers end with the context around this."""
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    signal.sigwait(signals)
