"""What should not happen, and how often it did."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from bridge.services.overview import Overview
from bridge.services.recording import Event

__all__ = ["Trouble", "troubles_of"]

_TROUBLES: Final = {
    Event.UPGRADE_REVERTED: (
        "Ping-pong",
        "An old hash stood where an upgraded one had been: something writes the old algorithm back.",
    ),
    Event.UPGRADE_FAILED: ("Failed upgrades", "The database refused the write; the login went on."),
    Event.UPGRADE_SUPERSEDED: (
        "Superseded upgrades",
        "Somebody changed the password between its verification and the write; theirs stands.",
    ),
    Event.REFRESH_REUSED: ("Refresh tokens reused", "A spent refresh token came back; its login was ended."),
    Event.ENDPOINT_TRIPPED: ("Endpoints tripped", "A new handler did harm and went back to Django by itself."),
}
_MOSTLY_HARMLESS: Final = (Event.UPGRADE_SUPERSEDED,)
_WEEK: Final = timedelta(days=6)  # and today


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that should not happen, and how often it did."""

    name: str
    meaning: str
    total: int
    week: int
    is_harmless: bool


def troubles_of(overview: Overview, *, today: date) -> Iterator[Trouble]:
    """Give each kind, whether or not it happened."""
    for event, (name, meaning) in _TROUBLES.items():
        days = [each for each in overview.daily_activity if each.event == event]
        yield Trouble(
            name=name,
            meaning=meaning,
            total=sum(each.count for each in overview.activity if each.event == event),
            week=sum(each.count for each in days if each.day >= today - _WEEK),
            is_harmless=event in _MOSTLY_HARMLESS,
        )
