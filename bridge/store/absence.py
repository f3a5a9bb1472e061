"""How many days ago users last logged in, as SQL that is evaluated for every one of them."""

from datetime import datetime, timedelta
from typing import Any, Final

from bridge.progress.census import COHORT_DAYS, Cohort
from bridge.store.database import Dialect

__all__ = ["Absence"]

_LONGEST: Final = max(COHORT_DAYS.values())
_OLDER: Final = _LONGEST.days + 1
_NEVER: Final = _OLDER + 1
_COHORTS: Final = tuple(Cohort)
_ALMOST_A_DAY: Final = timedelta(days=1) - timedelta.resolution


class Absence:
    """Days since the last login, a day that has begun counting as one: 0 is now, 7 the last moment of seven days.

    Args:
        dialect: of the database.
        is_kept: whether the table has a column for it; if not, nobody ever logged in.
    """

    def __init__(self, dialect: Dialect, *, is_kept: bool) -> None:
        self._dialect = dialect
        self._is_kept = is_kept

    def parameters(self, now: datetime) -> dict[str, Any]:
        """Give what the expressions need; ``now`` is as the site would store it."""
        if not self._is_kept:
            return {}
        since = {"now": now, "since": now - _LONGEST, "soon": now + _ALMOST_A_DAY}
        return since if self._dialect == "postgresql" else {name: since[name] for name in ("since", "soon")}

    def seen(self) -> str:
        """Give whatever the database finds fastest, for ``days`` to be made of it, once for each group of users."""
        if not self._is_kept:
            return str(_NEVER)
        if self._dialect == "postgresql":
            # Whoever seems to have logged in later than now did so now, by another clock.
            recent = "WHEN last_login >= :now THEN 0 WHEN last_login >= :since"
            recent += " THEN date_part('day', :soon - last_login)::int"
        else:
            # The date, and whether a day less has passed since.
            recent = "WHEN last_login >= :since"
            recent += " THEN substr(last_login, 1, 10) || (substr(last_login, 12) > substr(:soon, 12))"
        return f"CASE {recent} WHEN last_login IS NULL THEN {_NEVER} ELSE {_OLDER} END"

    def days(self) -> str:
        """Give the days, of a column ``seen``; more than any cohort has for those before, and most for never."""
        if self._dialect == "postgresql" or not self._is_kept:
            return "CAST(seen AS integer)"
        days = "julianday(substr(:soon, 1, 10)) - julianday(substr(seen, 1, 10)) - substr(seen, 11)"
        return (
            f"CASE WHEN length(seen) < 10 THEN CAST(seen AS integer)"
            f" ELSE max(0, coalesce(CAST({days} AS integer), {_OLDER})) END"
        )

    def cohort(self) -> str:
        """Give a place among ``Cohort``, of a column ``days``."""
        ends = {age.days: cohort for cohort, age in COHORT_DAYS.items()} | {_OLDER: Cohort.OLDER}
        cases = " ".join(f"WHEN days <= {last} THEN {_COHORTS.index(cohort)}" for last, cohort in ends.items())
        return f"CASE {cases} ELSE {_COHORTS.index(Cohort.NEVER)} END"
