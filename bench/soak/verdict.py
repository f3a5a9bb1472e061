"""Whether every upgrade was applied exactly once: what the database saw, held against what clients know.

A write of the column is an upgrade where both values are the same password's, and a real change otherwise. Which it is
follows from the passwords themselves, not from what either app says of it.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from bench.soak.audit import Change, Record, Seen
from bench.soak.members import Asked
from bench.soak.values import is_old, matches
from bridge.sessions.auth_hash import session_auth_hash
from bridge.sessions.lineage import lineage_digest

__all__ = ["Verdict", "judge", "links_under"]

Passwords = Mapping[str, Asked]
Link = Callable[[str, str], str]
"""Old value, new value -> what lineage has to say of them."""


@dataclass(slots=True)
class Verdict:
    """What came out.

    Attributes:
        seeded: users who began with an old value.
        upgraded: of these, whose value was re-hashed.
        changed: of these, who had another password before any re-hash.
        changes: real password changes, of everybody.
        apps: upgrades by the app that says it made them.
        counted: upgrades that the apps' own counters tell of; a crash may lose one of these, and never invents one.
        faults: everything that should not be, in words.
    """

    seeded: int = 0
    upgraded: int = 0
    changed: int = 0
    changes: int = 0
    apps: Counter[str] = field(default_factory=Counter)
    counted: int = 0
    faults: list[str] = field(default_factory=list)


def judge(seen: Seen, passwords: Mapping[str, Passwords], *, link: Link) -> Verdict:
    """Follow every user's value from the first to the last.

    Args:
        seen: by the database's triggers.
        passwords: by username, each that was ever asked for, and what its client was told.
        link: what lineage says when one value follows another: auth hash of the old, digest of the new.
    """
    apps = Counter(record.app for record in seen.records if record.kind == "upgrade")
    verdict = Verdict(apps=apps, counted=seen.counted)
    records: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in seen.records:
        records[record.transaction, record.user_id].append(record)
    changes: dict[str, list[Change]] = defaultdict(list)
    for change in seen.changes:
        changes[change.user_id].append(change)
    for user_id, username in seen.usernames.items():
        history = _History(username, changes[user_id], passwords.get(username, {}))
        verdict.faults += history.faults(seen.stands[user_id], is_recorded=user_id in seen.upgraded)
        verdict.faults += _unrecorded(history, records, link)
        verdict.seeded += history.began_old
        verdict.upgraded += bool(history.upgrades)
        verdict.changed += history.began_old and not history.upgrades and bool(history.real)
        verdict.changes += len(history.real)
    verdict.faults += [f"user {each.user_id}: {each.kind} recorded without an upgrade" for each in _left(records)]
    if seen.counted > verdict.upgraded:
        verdict.faults.append(f"{seen.counted} upgrades are counted, and {verdict.upgraded} were made")
    return verdict


def links_under(secret: str) -> Link:
    """Give what lineage says at a site with this SECRET_KEY."""

    def link(old: str, new: str) -> str:
        return f"{session_auth_hash(old, secret=secret)} {lineage_digest(new, secret=secret)}"

    return link


class _History:
    """One user's values, in order, each with the password that it is of."""

    def __init__(self, username: str, changes: list[Change], passwords: Passwords) -> None:
        self._username = username
        self._passwords = passwords
        self._changes = changes
        self._told = [self._password_of(change.new) for change in changes]
        later = list(zip(changes[1:], self._told, self._told[1:], strict=False))
        self.upgrades = [change for change, before, after in later if before == after]
        self.real = [after for _, before, after in later if before != after]
        self.began_old = bool(changes) and is_old(changes[0].new)

    def faults(self, stands: str, *, is_recorded: bool) -> list[str]:
        """Say what should not be."""
        return [f"{self._username}: {fault}" for fault in (*self._steps(stands), *self._ends(stands, is_recorded))]

    def _steps(self, stands: str) -> Iterator[str]:
        if not self._changes or self._changes[0].old is not None:
            yield "nobody saw the first value"
        for before, after in zip(self._changes, self._changes[1:], strict=False):
            if after.old != before.new:
                yield "a value was replaced that nobody had seen written"
            if is_old(after.new):
                yield "an old value was written"
        for password in self._told:
            if password is None:
                yield "a value is of no password that was ever asked for"
        if len(set(self.real)) < len(self.real) or (self._told and self._told[0] in self.real):
            yield "a value of an earlier password was written"
        if self._changes and self._changes[-1].new != stands:
            yield "another value stands than was written last"

    def _ends(self, stands: str, is_recorded: bool) -> Iterator[str]:  # noqa: FBT001  # private, called once
        if len(self.upgrades) > 1:
            yield f"upgraded {len(self.upgrades)} times"
        if self.upgrades and not self.began_old:
            yield "upgraded without need"
        if is_old(stands):
            yield "not upgraded, though logged in"
        if is_recorded != bool(self.upgrades):
            yield "recorded as upgraded" if is_recorded else "upgraded and not recorded"
        for password, asked in list(self._passwords.items())[1:]:
            written = self.real.count(password)
            if written > 1 or (asked is Asked.CONFIRMED and not written) or (asked is Asked.REFUSED and written):
                yield f"a password change that was {asked.value} was written {written} times"

    def _password_of(self, encoded: str) -> str | None:
        return next((each for each in self._passwords if matches(each, encoded)), None)


def _unrecorded(history: _History, records: dict[tuple[str, str], list[Record]], link: Link) -> Iterator[str]:
    """Say which upgrade has not exactly its own records in its own transaction; what belongs to one is taken out."""
    for change in history.upgrades:
        found = records.pop((change.transaction, change.user_id), [])
        old = change.old or ""
        wanted = [("lineage", link(old, change.new)), ("upgrade", old.partition("$")[0])]
        if sorted((each.kind, each.told) for each in found) != sorted(wanted):
            told = ", ".join(sorted(each.kind for each in found)) or "nothing"
            yield f"user {change.user_id}: with the upgrade its transaction recorded {told}"


def _left(records: dict[tuple[str, str], list[Record]]) -> Iterator[Record]:
    for each in records.values():
        yield from each
