"""Where the marks of a chart go: widths in per cent of whatever room there is, heights in pixels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from bridge.progress.report import DailyActivity, TrendPoint

__all__ = ["HEIGHT", "Bar", "DailyChart", "Part", "Tick", "Trend", "daily_chart", "trend_of"]

HEIGHT: Final = 180
_WIDE: Final = 1000
"""How wide a line's own coordinates are; they are stretched to the room there is."""
_DAILY_HEIGHT: Final = 180
_FILLED: Final = 0.72
_FEWEST_ON_AXIS: Final = 4


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis: ``at`` per cent from the left, or pixels from the top."""

    at: float
    text: str
    anchor: str = "middle"


@dataclass(frozen=True, slots=True)
class Trend:
    """Shares over days.

    Attributes:
        everybody: points of the line of all accounts, as SVG's ``points`` has them,
        area: and of what is below it,
        active: and of the line of active accounts.
        last: how high the last points of both are, in pixels from the top.
        ticks: days.
        rows: day, upgraded, usable, share, and the share of the active ones; the newest first.
    """

    everybody: str
    area: str
    active: str
    last: tuple[float, float]
    ticks: tuple[Tick, ...]
    rows: tuple[tuple[date, int, int, float, float], ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a bar: what it stands for, ``y`` and ``height`` in pixels, and how many."""

    name: str
    y: float
    height: float
    count: int


@dataclass(frozen=True, slots=True)
class Bar:
    """One day: ``x`` and ``width`` in per cent."""

    day: date
    x: float
    width: float
    parts: tuple[Part, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many of each part."""
        return {part.name: part.count for part in self.parts}


@dataclass(frozen=True, slots=True)
class DailyChart:
    """Bars of days, stacked.

    Attributes:
        highest: what a bar of full height stands for.
        totals: of all days, by part.
    """

    bars: tuple[Bar, ...]
    highest: int
    totals: Mapping[str, int]
    height: int = _DAILY_HEIGHT


def trend_of(points: Sequence[TrendPoint]) -> Trend | None:
    """Draw the share of upgraded passwords over days; None where there is not even a first day."""
    if not points:
        return None
    first, last = points[0].day, points[-1].day
    days = max((last - first).days, 1)
    shares = [(point.figures["all"]["upgraded_share"], point.figures["active"]["upgraded_share"]) for point in points]
    across = [_WIDE * (point.day - first).days / days for point in points]
    if len(points) == 1:  # a level line: what is known of the day
        across, shares = [0.0, _WIDE], shares * 2
    everybody, active = (
        " ".join(f"{x:.1f},{_down(pair[which]):.1f}" for x, pair in zip(across, shares, strict=True))
        for which in (0, 1)
    )
    return Trend(
        everybody=everybody,
        area=f"0,{HEIGHT} {everybody} {_WIDE},{HEIGHT}",
        active=active,
        last=(_down(shares[-1][0]), _down(shares[-1][1])),
        ticks=_day_ticks(first, last),
        rows=tuple(
            (
                point.day,
                point.figures["all"]["upgraded"],
                point.figures["all"]["usable"],
                point.figures["all"]["upgraded_share"],
                point.figures["active"]["upgraded_share"],
            )
            for point in reversed(points)
        ),
    )


def daily_chart(
    activity: Sequence[DailyActivity], *, app: str, parts: Mapping[str, Sequence[str]], today: date, days: int
) -> DailyChart:
    """Draw what happened on each of the last days in one app.

    Args:
        activity: of at least these days.
        app: ``bridge`` or ``django``.
        parts: from the bottom up, which events each part counts.
        today: the last day.
        days: how many.
    """
    counted: dict[tuple[date, str], int] = {}
    for each in activity:
        for name, events in parts.items():
            if each.app == app and each.event in events:
                counted[each.day, name] = counted.get((each.day, name), 0) + each.count
    shown = [today - timedelta(days=back) for back in reversed(range(days))]
    highest = _rounded_up(max(sum(counted.get((day, name), 0) for name in parts) for day in shown))
    step = 100 / days
    bars = []
    for number, day in enumerate(shown):
        stacked = _stacked([(name, counted.get((day, name), 0)) for name in parts], highest)
        bars.append(Bar(day, round(step * (number + (1 - _FILLED) / 2), 3), round(step * _FILLED, 3), stacked))
    totals = {name: sum(bar.counts[name] for bar in bars) for name in parts}
    return DailyChart(tuple(bars), highest, totals)


def _stacked(counts: Sequence[tuple[str, int]], highest: int) -> tuple[Part, ...]:
    below, parts = 0.0, []
    for name, count in counts:
        height = count / highest * _DAILY_HEIGHT
        if count:
            height = max(height, 1.5)  # a few refused logins beside thousands are to be seen
        below += height
        parts.append(Part(name, round(_DAILY_HEIGHT - below, 2), round(height, 2), count))
    return tuple(parts)


def _rounded_up(number: int) -> int:
    """Give the next number that reads well on an axis."""
    unit = 1
    while True:
        for factor in (1, 2, 5):
            if max(number, _FEWEST_ON_AXIS) <= unit * factor:
                return unit * factor
        unit *= 10


def _down(share: float) -> float:
    return HEIGHT * (1 - share)


def _day_ticks(first: date, last: date) -> tuple[Tick, ...]:
    if first == last:
        return (Tick(0, first.isoformat(), "start"),)
    middle = first + (last - first) / 2
    ends = Tick(0, first.isoformat(), "start"), Tick(100, last.isoformat(), "end")
    if (last - first).days <= 2:  # noqa: PLR2004  # no day is in between, or only one
        return ends
    return (ends[0], Tick(50, middle.isoformat()), ends[1])
