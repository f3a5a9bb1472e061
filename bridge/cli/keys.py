"""``bridge keys``: the key directory of RS256, ES256 and EdDSA, and its rotation."""

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from bridge.cli.auditing import actor
from bridge.cli.options import AsJson
from bridge.errors import ConfigurationError
from bridge.services.clock import system_clock
from bridge.services.keyrotation import KeyRotation, KeyStanding, Left
from bridge.services.recording import Event, tell
from bridge.store.keyfiles import KeyDirectory
from bridge.tokens.keys import KEY_PAIR_ALGORITHMS
from bridge.web.settings import KeyDirectorySettings

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="The key directory that signs access tokens, and its rotation.")

Directory = Annotated[Path | None, typer.Option(help="The key directory; BRIDGE_SIGNING_KEY if left out.")]

_MEANINGS: Final = {
    "waiting": "signs from {signs_from} on",
    "signing": "signs",
    "standby": "verifies; to be retired",
    "retired": "verifies until {until}",
    "removable": "verifies no more; to be purged",
}
_TABLE_WIDTH: Final = 140
"""A key's name is of use only whole: a narrower terminal breaks the lines."""


@app.callback()
def keys() -> None:
    """The key directory that signs access tokens, and its rotation."""


@app.command()
def new(
    directory: Directory = None,
    *,
    algorithm: Annotated[
        str | None, typer.Option(help="RS256, ES256 or EdDSA; ES256, or that of the keys that are there, if left out.")
    ] = None,
    private_key: Annotated[
        Path | None, typer.Option(help="A PEM private key to take up, such as BRIDGE_SIGNING_KEY has been until now.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Publish a new key. It signs once everybody who verifies tokens can know it; the first one signs at once."""
    settings = KeyDirectorySettings.load()
    rotation, path = _rotation(settings, directory)
    pem = None if private_key is None else _text(private_key)
    added = rotation.add(algorithm or _configured_algorithm(settings), private_key=pem)
    tell(Event.KEY_ADDED, actor=actor(), key=added.kid)
    signs_from = (system_clock() + added.waits).replace(microsecond=0)
    if as_json:
        _print_json({"kid": added.kid, "algorithm": added.algorithm, "path": added.path, "signs_from": signs_from})
        return
    typer.echo(f"Published {added.kid} for {added.algorithm}: {added.path}")
    typer.echo(f"It signs from {_shown(signs_from)} on." if added.waits else "It signs at once.")
    if _named_directory(settings) != path:
        typer.echo(f"Set BRIDGE_SIGNING_KEY={path.absolute()} and BRIDGE_SIGNING_ALGORITHM={added.algorithm}.")
    elif added.waits:
        typer.echo("Then retire the old one: bridge keys retire KID.")


@app.command("list")
def list_keys(directory: Directory = None, *, as_json: AsJson = False) -> None:
    """Show every key and what it does now."""
    rotation, _ = _rotation(KeyDirectorySettings.load(), directory)
    standings = rotation.survey()
    if as_json:
        _print_json([asdict(standing) for standing in standings])
        return
    console = Console(highlight=False)
    console.width = max(console.width, _TABLE_WIDTH)
    console.print(_table(standings))


@app.command()
def retire(
    kid: Annotated[str, typer.Argument(help="The key's name, or the beginning of it.")],
    directory: Directory = None,
    *,
    purge: Annotated[bool, typer.Option("--purge", help="Delete a retired key once its tokens have expired.")] = False,
    compromised: Annotated[
        bool,
        typer.Option("--compromised", help="Delete the key now: somebody else may have it. Its tokens are void."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and write nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let a key sign no more. It verifies until the last token that it can have signed has expired."""
    rotation, _ = _rotation(KeyDirectorySettings.load(), directory)
    act = rotation.drop if compromised else rotation.purge if purge else rotation.retire
    left = act(kid, dry_run=dry_run)
    if not dry_run:
        tell(Event.KEY_RETIRED if left.how == "retired" else Event.KEY_REMOVED, actor=actor(), key=left.kid)
    if as_json:
        _print_json({**asdict(left), "dry_run": dry_run})
        return
    typer.echo(_told(left, dry_run=dry_run))


def _rotation(settings: KeyDirectorySettings, directory: Path | None) -> tuple[KeyRotation, Path]:
    path = directory or _named_directory(settings)
    if path is None:
        raise ConfigurationError(
            "BRIDGE_SIGNING_KEY names no key directory",
            cure="Say which with --directory DIR; `bridge keys new` makes it where it is not there.",
        )
    return KeyRotation(directory=KeyDirectory(path), times=settings.key_times, clock=system_clock), path


def _named_directory(settings: KeyDirectorySettings) -> Path | None:
    """Take BRIDGE_SIGNING_KEY for a path only where it cannot be a secret, which must not become a directory's name."""
    material = settings.signing_key.get_secret_value() if settings.signing_key else ""
    is_path = settings.signing_algorithm in KEY_PAIR_ALGORITHMS and material and "-----BEGIN" not in material
    return Path(material) if is_path else None


def _configured_algorithm(settings: KeyDirectorySettings) -> str | None:
    return settings.signing_algorithm if settings.signing_algorithm in KEY_PAIR_ALGORITHMS else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, ValueError) as exc:
        raise ConfigurationError(f"{path} cannot be read as PEM", cure="Give an unencrypted private key.") from exc


def _table(standings: list[KeyStanding]) -> Table:
    table = Table("Key", "Algorithm", "State", "Meaning", "Published", box=None)
    for each in standings:
        meaning = _MEANINGS[each.state].format(signs_from=_shown(each.signs_from), until=_shown(each.removable_from))
        table.add_row(each.kid, each.algorithm, each.state, meaning, _shown(each.published_at))
    return table


def _told(left: Left, *, dry_run: bool) -> str:
    would = "would be " if dry_run else "is "
    if left.removable_from is None:
        return f"{left.kid} {would}{'removed' if dry_run else 'gone'}; the service notices within ten seconds."
    return (
        f"{left.kid} {would}retired. It verifies until {_shown(left.removable_from)}; "
        f"after that: bridge keys retire {left.kid} --purge"
    )


def _shown(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else ""


def _print_json(content: Any) -> None:
    typer.echo(json.dumps(content, indent=2, default=_plain))


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else str(value)
