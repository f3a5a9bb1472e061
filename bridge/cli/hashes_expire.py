"""``bridge hashes expire``: unusable passwords for those who have been away too long."""

import asyncio
import csv
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from bridge.cli.auditing import actor
from bridge.cli.bulk import holders_of, require_among, resumable, safe_profile
from bridge.cli.opening import opened
from bridge.cli.options import AsJson
from bridge.cli.progress_bar import progress_bar
from bridge.errors import ConfigurationError
from bridge.passwords.encoded import ALGORITHMS, WRAPPED
from bridge.services.clock import system_clock
from bridge.services.expiring import Enlist, Expiring, Progress
from bridge.store.users import StoredUser
from bridge.web.composition import site_profile, upgrading_of
from bridge.web.settings import Settings

__all__ = ["expire"]

_EXPIRABLE: Final = tuple(name for name in ALGORITHMS if name != "argon2")
_LEGACY: Final = tuple(name for name in _EXPIRABLE if name not in WRAPPED)
_HEADING: Final = ("id", "username", "email", "last_login")


def expire(
    dormant_days: Annotated[int, typer.Option(min=1, help="Whoever has not logged in for so many days.")],
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="A new file for those to be mailed. Needed, but for a dry run.")
    ] = None,
    algorithm: Annotated[
        list[str] | None,
        typer.Option(help="Only values of these; if left out, of all but argon2, plain or around others."),
    ] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say who would be expired, and change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make the old passwords of dormant users unusable. May be interrupted and run again, with another file.

    Their sessions and tokens end. The file has their id, username, email and last_login, and each is in it before
    anything happens to them. Django's own reset form mails nobody without a usable password: see MIGRATION.md.
    """
    if csv_file is None and not dry_run:
        raise ConfigurationError("Nobody would know whom to mail", cure="Give --csv FILE, or --dry-run.")
    algorithms = tuple(algorithm or _LEGACY)
    require_among(_EXPIRABLE, *algorithms)
    settings = Settings.load()
    with resumable("Run it again with another --csv"):
        done = asyncio.run(_expire(settings, algorithms, csv_file, dormant_days=dormant_days, dry_run=dry_run))
    _tell(done, dry_run=dry_run, as_json=as_json)


async def _expire(
    settings: Settings, algorithms: Sequence[str], csv_file: Path | None, *, dormant_days: int, dry_run: bool
) -> Progress:
    async with opened(settings.database_url.get_secret_value()) as database:
        profile = await safe_profile(settings, database, await site_profile(database))
        expiring = Expiring(
            database=database,
            holders=holders_of(database, profile, *algorithms, dormant_days=dormant_days),
            upgrading=upgrading_of(settings, database, profile, system_clock),
            actor=actor(),
        )
        latest = Progress(users=0)
        with _mailing_list(csv_file) as enlist, progress_bar() as bar:
            task = bar.add_task("expiring", total=None)
            async for latest in expiring.run(enlist, dry_run=dry_run):
                bar.update(task, total=latest.users, completed=latest.done)
                if bar.disable:
                    typer.echo(f"looked at {latest.done} of {latest.users} users", err=True)
        return latest


@contextmanager
def _mailing_list(path: Path | None) -> Iterator[Enlist]:
    """Open the file, for its owner alone, and give what adds to it; whatever was added is on disk."""
    if path is None:
        yield lambda _: None
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as exc:
        cure = "Give a new one, and keep it: it may name users whom an earlier run expired."
        raise ConfigurationError(f"{path} is there already", cure=cure) from exc
    except OSError as exc:
        raise ConfigurationError(f"{path} cannot be written ({exc.strerror})", cure="Give another file.") from exc
    with os.fdopen(descriptor, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)

        def enlist(users: Sequence[StoredUser]) -> None:
            rows.writerows(_row(user) for user in users)
            file.flush()
            os.fsync(descriptor)

        rows.writerow(_HEADING)
        yield enlist


def _row(user: StoredUser) -> tuple[str, str, str, str]:
    return user.id, user.username, user.email, user.last_login.isoformat() if user.last_login else ""


def _tell(done: Progress, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        figures = {name: getattr(done, name) for name in ("users", "expired", "changed_since", "without_email")}
        typer.echo(json.dumps({"dry_run": dry_run, **figures}))
        return
    verb = "would expire" if dry_run else "expired"
    typer.echo(
        f"{done.expired} of {done.users} passwords {verb}; {done.changed_since} users have another one by now. "
        f"{done.without_email} of them have no e-mail address."
    )
    if done.expired:
        ends = "would end" if dry_run else "have ended"
        typer.echo(
            f"Their sessions and tokens {ends}, and Django's reset form mails nobody whose password is unusable: "
            "send them links of your own, see MIGRATION.md."
        )
