"""The part of the walk-through that moves one endpoint of the shop from Django to the bridge, and back."""

import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import httpx
from prometheus_client.parser import text_string_to_metric_families

from bridge.cutover import Stage, Verdict
from bridge.demo.playing import TIMEOUT, Play, Step, bearer, ok, require
from bridge.demo.site import ROUTER, RunningDemo
from bridge.services.endpoints import in_words
from bridge.store.differences import Differences
from bridge.store.endpoints import Endpoints

__all__ = ["steps"]

_PATH: Final = "/api/items/"
_OPERATION: Final = f"GET {_PATH}"
_USERS: Final = ("argon2", "md5")
_CANARY: Final = "50%"
_PLANTED: Final = ("$[*].unit_price", "type", "string", "number")
_PATIENCE: Final = timedelta(seconds=20)
_WITHIN: Final = timedelta(seconds=1)
_DJANGO: Final = "Django"
_BRIDGE: Final = "the bridge"
_NOT_COMPARED: Final = (b"date", b"server", b"connection", b"keep-alive", b"transfer-encoding")


def steps(demo: RunningDemo) -> tuple[Step, ...]:
    """Give the steps in their order; the bridge is to run with ``FIRST_TRY``."""
    play = _Moving(demo)
    return (
        Step("The bridge stands in front of the site: what has not moved, Django answers as before", play.legacy),
        Step("Shadow: Django answers, and the mistake in the new handler is found", play.shadow),
        Step("The corrected handler is deployed, which moves nothing: still in shadow, now both agree", play.correct),
        Step(f"Canary of {_CANARY}: each user gets the same app by token and by session", play.canary),
        Step("Migrated: the bridge answers, and nobody can tell from the JSON", play.migrate),
        Step("`bridge endpoints rollback` brings Django back within a second", play.roll_back),
        Step("The log says who moved it, and why", play.log),
    )


class _Moving(Play):
    """Each step goes on where the one before it ended."""

    def legacy(self) -> Iterator[str]:
        """Ask for the same at Django itself and through the bridge."""
        shop = ok(httpx.get(f"{self.demo.bridge}/", timeout=TIMEOUT))
        require(_side(shop) == _DJANGO, "the shop's home page is not Django's")
        token = self.bridge_token("argon2")
        there, here = ok(self.django_get(_PATH, token)), self.bridge_get(_PATH, token)
        require(here.content == there.content, f"Django {there.text}, through the bridge {here.text}")
        require(_headers(here) == _headers(there), f"Django {_headers(there)}, through the bridge {_headers(here)}")
        yield f"bridge GET / {shop.status_code}, {len(shop.content):,} bytes of Django's"
        yield f"bridge GET {_PATH} == Django GET {_PATH}: {len(here.content)} bytes, {len(_headers(here))} headers"

    def shadow(self) -> Iterator[str]:
        """Compare every answer, and look at what was found."""
        yield self._move(Stage.SHADOW, "100%", reason="compare the new handler with Django's view")
        yield self._compared(Verdict.MISMATCH)
        found = self.looked_up(lambda database: Differences(database).top(_OPERATION, limit=10))
        places = [each.difference for each in found]
        seen = [(each.place, each.kind, each.legacy, each.candidate) for each in places]
        require(seen == [_PLANTED], f"found {seen}")
        yield from (
            f"found: {place} ({kind}): Django {legacy}, bridge {candidate}" for place, kind, legacy, candidate in seen
        )

    def correct(self) -> Iterator[str]:
        """Deploy what is right, and compare again."""
        self.demo.deploy(ROUTER)
        yield f"bridge restarted with {ROUTER}"
        yield self._compared(Verdict.MATCH)

    def canary(self) -> Iterator[str]:
        """See which app answers which user, however they are logged in."""
        yield self._move(Stage.CANARY, _CANARY, reason="half of the customers")
        sides = {name: self._sides(name) for name in _USERS}
        for name, seen in sides.items():
            require(len(set(seen)) == 1, f"{name} was answered by {', '.join(seen)}")
            yield f"{name}: {seen[0]}, twice by token and twice by session"
        require({seen[0] for seen in sides.values()} == {_DJANGO, _BRIDGE}, "all got the same app")

    def migrate(self) -> Iterator[str]:
        """Let the bridge answer everybody."""
        yield self._move(Stage.MIGRATED, None, reason="no difference left")
        for name in _USERS:
            token = self.bridge_token(name)
            here, there = self.bridge_get(_PATH, token), ok(self.django_get(_PATH, token))
            require(_side(here) == _BRIDGE, f"Django answered {name}")
            require(here.json() == there.json(), f"bridge {here.text}, Django {there.text}")
            yield f"{name}: the bridge's own answer == Django GET {_PATH}: {len(here.json())} items"

    def roll_back(self) -> Iterator[str]:
        """Ask without a pause while an operator rolls back."""
        token = self.bridge_token("argon2")
        asked = Counter[str]()
        with self.demo.start_command(
            "endpoints", "rollback", _OPERATION, "--reason", "to show the way back"
        ) as command:
            end = time.monotonic() + _PATIENCE.total_seconds()
            while not asked[_DJANGO]:
                require(time.monotonic() < end, "the bridge still answers")
                asked[_side(self.bridge_get(_PATH, token))] += 1
            back_at = datetime.now(UTC)
            said, _ = command.communicate()
        require(command.returncode == 0, f"the command ended with {command.returncode}")
        [change] = self.looked_up(lambda database: Endpoints(database).history(_OPERATION, limit=1))
        took = back_at - change.changed_at
        require(took <= _WITHIN, f"it took {took.total_seconds():.2f} s")
        yield said.strip()
        yield f"Django answered {took.total_seconds():.2f} s later; {asked.total()} requests meanwhile, all of them 200"

    def log(self) -> Iterator[str]:
        """Read who did all this."""
        changes = self.looked_up(lambda database: Endpoints(database).history(_OPERATION, limit=10))
        stages = [change.stage for change in reversed(changes)]
        require(stages == [Stage.SHADOW, Stage.CANARY, Stage.MIGRATED, Stage.LEGACY], f"it says {stages}")
        for change in reversed(changes):
            require(change.actor and change.reason, f"version {change.version} lacks who or why")
            old, new = in_words(change.old_stage, change.old_share), in_words(change.stage, change.share)
            yield f"{old} -> {new}, by {change.actor}: {change.reason}"

    def _move(self, stage: Stage, share: str | None, *, reason: str) -> str:
        """Move the endpoint as staff do through the API."""
        answer = httpx.put(
            f"{self.demo.bridge}/migration/endpoints/stage",
            headers=bearer(self.bridge_token("staff")),
            json={"operation": _OPERATION, "stage": stage, "share": share, "reason": reason},
            timeout=TIMEOUT,
        )
        version = ok(answer).json()["version"]
        return f"staff PUT /migration/endpoints/stage 200: {stage} {share or ''}".rstrip() + f", version {version}"

    def _compared(self, verdict: Verdict) -> str:
        """Ask as each user, and wait until all of it was compared; the bridge has compared nothing before."""
        for name in _USERS:
            answer = self.bridge_get(_PATH, self.bridge_token(name))
            require(_side(answer) == _DJANGO, f"the bridge answered {name}")
        end = time.monotonic() + _PATIENCE.total_seconds()
        while (found := self._verdicts()).total() < len(_USERS):
            require(time.monotonic() < end, f"not compared in time: {dict(found)}")
            time.sleep(0.05)
        require(found == {verdict: len(_USERS)}, f"compared: {dict(found)}")
        return f"{len(_USERS)} clients got Django's answer; compared behind it: {len(_USERS)} {verdict}"

    def _verdicts(self) -> Counter[str]:
        metrics = ok(httpx.get(f"{self.demo.bridge}/metrics", timeout=TIMEOUT)).text
        samples = (sample for family in text_string_to_metric_families(metrics) for sample in family.samples)
        return Counter(
            {
                sample.labels["verdict"]: int(sample.value)
                for sample in samples
                if sample.name == "bridge_shadow_total" and sample.labels["operation"] == _OPERATION
            }
        )

    def _sides(self, username: str) -> list[str]:
        token = self.bridge_token(username)
        by_token = [_side(self.bridge_get(_PATH, token)) for _ in range(2)]
        with self.browser(username, at=self.demo.bridge) as browser:
            return [*by_token, *(_side(ok(browser.get(_PATH))) for _ in range(2))]


def _side(answer: httpx.Response) -> str:
    """Tell which app answered: the site's middleware sets this header on whatever Django answers, the bridge never."""
    return _DJANGO if "x-frame-options" in answer.headers else _BRIDGE


def _headers(answer: httpx.Response) -> list[tuple[bytes, bytes]]:
    lower = ((name.lower(), value) for name, value in answer.headers.raw)
    return [(name, value) for name, value in lower if name not in _NOT_COMPARED]
