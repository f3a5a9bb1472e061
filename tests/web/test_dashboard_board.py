"""What the dashboard says of figures, and where it puts them; no service runs for it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import pytest

from bridge.progress.census import Census, CensusRow, Cohort
from bridge.progress.cutover import CutoverReport
from bridge.progress.forecast import Forecast, Milestone
from bridge.progress.report import ActivityCount, DailyActivity, MigrationReport, TrendPoint
from bridge.services.overview import Overview
from bridge.web.dashboard.board import Board
from bridge.web.dashboard.charts import HEIGHT, daily_chart, trend_of
from bridge.web.dashboard.pages import rendered

NOW: Final = datetime(2026, 11, 21, 12, tzinfo=UTC)
TODAY: Final = NOW.date()


def overview(rows: dict[str, int], *, staff: bool = False, read_at: datetime = NOW, **more: Any) -> Overview:
    kinds = {CensusRow(name, "", Cohort.OLDER, is_active=True, is_staff=staff): users for name, users in rows.items()}
    census = Census({kind: users for kind, users in kinds.items() if users})
    counted = MigrationReport(generated_at=NOW, census=census, **{"forecast": Forecast(), **more})
    return Overview(
        read_at=read_at,
        counted=counted.to_document(),
        trend=(),
        activity=(),
        daily_activity=(),
        cutover=CutoverReport(generated_at=NOW, since=NOW, endpoints=()),
    )


def point(day: date, share: float) -> TrendPoint:
    figures = {"usable": 100, "upgraded": int(100 * share), "upgraded_share": share}
    return TrendPoint(day, {"all": figures, "active": figures})


@pytest.mark.parametrize(
    ("rows", "staff", "answer"),
    [
        ({"pbkdf2_sha256": 1}, False, "PBKDF2 cannot be dropped yet: 1 account would be locked out."),
        (
            {"pbkdf2_sha256": 1204},
            True,
            "PBKDF2 cannot be dropped yet: 1,204 accounts, 1,204 of them staff, would be locked out.",
        ),
        ({"md5": 9, "pbkdf2_sha256": 3}, False, "MD5 cannot be dropped yet: 9 accounts would be locked out."),
        ({"argon2": 5}, False, "Every old algorithm can be dropped: nobody would be locked out."),
        ({"argon2": 5, "argon2_md5": 2}, False, "Every old algorithm can be dropped: nobody would be locked out."),
        ({"unusable": 5}, False, "There is no password to upgrade."),
    ],
    ids=["one", "staff", "the most first", "done", "wrapped", "no password"],
)
def test_one_sentence_says_whether_the_old_hashes_may_go(rows: dict[str, int], staff: bool, answer: str):  # noqa: FBT001  # a case
    assert Board(overview(rows, staff=staff)).answer == answer


def test_what_else_stands_in_the_way_is_named():
    board = Board(overview({"pbkdf2_sha256": 9, "md5": 2, "sha1": 1, "argon2_md5": 4}))

    assert board.others_in_the_way == "MD5 and SHA-1 hold 3 more."
    assert [gate.algorithm for gate in board.gates] == ["pbkdf2_sha256", "argon2_md5", "md5", "sha1"]


def test_milestones_lie_on_one_time_line_from_the_count_to_the_last_day():
    days = [TODAY + timedelta(days=each) for each in (20, 10, 40)]
    milestones = (
        Milestone(0.9),
        Milestone(0.95, *days),
        Milestone(0.99, days[2], days[0], TODAY + timedelta(days=100)),
    )

    reached, near, far = Board(overview({"md5": 1}, forecast=Forecast(milestones))).milestones

    assert reached.expected is None
    assert (near.at, near.start, near.width) == (20, 10, 30)
    assert (far.at, far.start, far.width) == (40, 20, 80)
    page = rendered("live.html", board=Board(overview({"md5": 1}, forecast=Forecast(milestones))))
    assert '<time datetime="2026-12-11">2026-12-11</time>' in page
    assert '<span class="badge good">reached</span>' in page


def test_a_trend_is_drawn_by_its_days_and_the_newest_is_listed_first():
    trend = trend_of([point(TODAY - timedelta(days=10), 0), point(TODAY - timedelta(days=9), 0.5), point(TODAY, 1)])

    assert trend is not None
    assert trend.everybody == f"0.0,{HEIGHT}.0 100.0,{HEIGHT / 2} 1000.0,0.0"
    assert [row[0] for row in trend.rows] == [TODAY, TODAY - timedelta(days=9), TODAY - timedelta(days=10)]
    assert [tick.at for tick in trend.ticks] == [0, 50, 100]


def test_a_trend_of_one_day_is_a_level_line():
    trend = trend_of([point(TODAY, 0.5)])

    assert trend is not None
    assert trend.everybody == f"0.0,{HEIGHT / 2} 1000.0,{HEIGHT / 2}"
    assert trend_of([]) is None


def test_days_are_stacked_and_no_day_is_left_out():
    activity = [
        DailyActivity(TODAY, "bridge", "in", 6),
        DailyActivity(TODAY, "bridge", "out", 3),
        DailyActivity(TODAY, "django", "in", 90),
        DailyActivity(TODAY - timedelta(days=7), "bridge", "in", 99),
    ]

    chart = daily_chart(activity, app="bridge", parts={"good": ["in"], "bad": ["out"]}, today=TODAY, days=5)

    assert [bar.day for bar in chart.bars] == [TODAY - timedelta(days=back) for back in (4, 3, 2, 1, 0)]
    assert (chart.highest, chart.totals) == (10, {"good": 6, "bad": 3})
    good, bad = chart.bars[-1].parts
    assert (good.y + good.height, good.height) == (chart.height, 0.6 * chart.height)
    assert bad.y + bad.height == pytest.approx(good.y)


@pytest.mark.parametrize(
    ("upgraded", "remaining", "shown"), [(9999, 1, "99.9%"), (1, 99_999, "0.1%"), (1, 2, "33.3%"), (3, 0, "100%")]
)
def test_a_share_is_never_called_whole_or_nothing_that_is_not(upgraded: int, remaining: int, shown: str):
    page = rendered(
        "live.html",
        board=Board(overview({"argon2": upgraded, "md5": remaining} if remaining else {"argon2": upgraded})),
    )

    assert f'<dd class="figure">{shown}</dd>' in page


def test_a_count_that_is_overdue_is_called_so():
    fresh, old = (
        rendered("live.html", board=Board(overview({"md5": 1}, read_at=NOW + timedelta(hours=hours))))
        for hours in (24, 48)
    )

    assert "overdue" not in fresh
    assert "overdue" in old


def test_a_fingerprint_changes_with_what_is_shown_and_not_with_the_time():
    one = overview({"md5": 1})
    later = overview({"md5": 1}, read_at=NOW + timedelta(minutes=5))
    logins = Overview(**{**vars(overview({"md5": 1})), "activity": (ActivityCount("django", "login_succeeded", 1),)})

    assert one.fingerprint == later.fingerprint
    assert one.fingerprint != logins.fingerprint
    assert one.fingerprint != overview({"md5": 2}).fingerprint
