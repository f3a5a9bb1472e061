"""The plan: a TOML file in git that says how far each operation may move, and by which rules.

The stages in force are in the database; this is what they may be. docs/endpoints.md has the keys.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Self

from bridge.cutover.operations import Operation
from bridge.cutover.places import Place
from bridge.cutover.rules import AllowList, CanaryGroup, Comparison, OperationPlan, Trip
from bridge.cutover.stages import Stage
from bridge.cutover.tables import Table, nearest
from bridge.errors import ConfigurationError

__all__ = ["AllowList", "CanaryGroup", "Comparison", "OperationPlan", "Plan", "Trip"]

LONGEST_PLAN: Final = 1_000_000

_OF_ANY: Final = ("stages", "group", "comparison", "tripping")
_OF_COMPARISON: Final = (
    *("headers", "ignore", "unordered", "float_tolerance", "timestamps", "keep_values", "redact", "keep_days"),
)
_OF_TRIPPING: Final = ("minimum", "errors", "slowness", "mismatches", "window_seconds")
_OF_GROUP: Final = ("salt", "staff", "groups", "users")

_HEADER: Final = re.compile(r"[a-z0-9-]{1,64}")
_IN_NO_JSON: Final = re.compile(r"body|body:\S+|header:[a-z0-9-]{1,64}")
_OPERATIONS: Final = 'Write a method (HEAD follows GET) and a path, as in [operations."GET /orders/{id}/"].'
_PLACES: Final = "Write places as in $.items[*].id, $.by_day.* or $..updated_at."


@dataclass(frozen=True, slots=True)
class Plan:
    """What is allowed; without a file every stage but ``retired``, which is allowed an operation by its name alone.

    Attributes:
        defaults: for operations that are not named.
        operations: those that are, by their shape.
    """

    defaults: OperationPlan = field(default_factory=OperationPlan)
    operations: Mapping[str, OperationPlan] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the file.

        Raises:
            ConfigurationError: it is no TOML, or says something that is unknown or out of bounds; one line that names
                the key and the cure.
        """
        document = Table(_document(text), known=("defaults", "groups", "operations"))
        groups = _groups(document.table("groups", known=None))
        in_defaults = document.table("defaults", known=_OF_ANY)
        defaults = _operation_plan(in_defaults, base=OperationPlan(), groups=groups)
        if Stage.RETIRED in defaults.allowed:
            raise in_defaults.refused(
                "stages", "allows retired", cure="Allow it to operations by name; from there is no way back."
            )
        return cls(defaults, _operations(document.table("operations", known=None), base=defaults, groups=groups))

    def of(self, operation_shape: str) -> OperationPlan:
        """Give what holds for an operation."""
        return self.operations.get(operation_shape, self.defaults)

    def allows(self, operation_shape: str, stage: Stage) -> bool:
        """Tell whether an operation may be moved to a stage."""
        return stage in self.of(operation_shape).allowed


def _document(text: str) -> dict[str, Any]:
    if len(text) > LONGEST_PLAN:
        raise ConfigurationError(
            f"the plan is longer than {LONGEST_PLAN} characters", cure="Say under [defaults] what most have in common."
        )
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as exc:
        raise ConfigurationError(
            f"the plan is no TOML: {exc}", cure="Put it right there; see https://toml.io."
        ) from exc


def _groups(table: Table) -> dict[str, CanaryGroup]:
    return {"default": CanaryGroup()} | {name: _group(name, table.table(name, known=_OF_GROUP)) for name in table}


def _group(name: str, table: Table) -> CanaryGroup:
    allow = AllowList(
        staff=table.flag("staff", default=False),
        groups=frozenset(table.texts("groups")),
        users=table.keys_of_users("users"),
    )
    return CanaryGroup(name, salt=table.text("salt", default=name), allow=allow)


def _operations(table: Table, *, base: OperationPlan, groups: Mapping[str, CanaryGroup]) -> dict[str, OperationPlan]:
    plans: dict[str, OperationPlan] = {}
    for key in table:
        try:
            shape = Operation.parse(key).shape
        except ValueError as exc:
            raise table.refused(key, "names no operation", cure=_OPERATIONS) from exc
        if shape in plans:
            raise table.refused(
                key, "is there twice", cure="The names of parameters do not count; keep one of the two."
            )
        plans[shape] = _operation_plan(table.table(key, known=_OF_ANY), base=base, groups=groups)
    return plans


def _operation_plan(table: Table, *, base: OperationPlan, groups: Mapping[str, CanaryGroup]) -> OperationPlan:
    """Read what holds for operations; what is not said is as in ``base``, key by key."""
    group = table.text("group", default=base.group.name)
    if group not in groups:
        raise table.refused("group", f"is none of [groups]: {group!r}", cure=nearest(group, groups))
    return OperationPlan(
        allowed=_stages(table, base=base.allowed),
        group=groups[group],
        comparison=_comparison(table.table("comparison", known=_OF_COMPARISON), base=base.comparison),
        trip=_trip(table.table("tripping", known=_OF_TRIPPING), base=base.trip),
    )


def _stages(table: Table, *, base: frozenset[Stage]) -> frozenset[Stage]:
    names = table.texts("stages", default=tuple(base))
    for name in names:
        if name not in list(Stage):
            raise table.refused("stages", f"has {name!r}, which is none", cure=nearest(name, [*map(str, Stage)]))
    return frozenset(map(Stage, names)) | {Stage.LEGACY}


def _comparison(table: Table, *, base: Comparison) -> Comparison:
    return Comparison(
        headers=_headers(table, default=base.headers),
        ignore=_places(table, "ignore", default=base.ignore),
        unordered=_places(table, "unordered", default=base.unordered),
        float_tolerance=table.number("float_tolerance", default=base.float_tolerance, least=0, most=0.1),
        timestamps=_places(table, "timestamps", default=base.timestamps),
        keep_values=table.flag("keep_values", default=base.keep_values),
        redact=tuple(name.lower() for name in table.texts("redact", default=base.redact)),
        keep_days=table.whole_number("keep_days", default=base.keep_days, least=1, most=365),
    )


def _headers(table: Table, *, default: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(name.lower() for name in table.texts("headers", default=default))
    for name in names:
        if not _HEADER.fullmatch(name):
            raise table.refused(
                "headers", f"has {name!r}, which is no header", cure='Write names as in "cache-control".'
            )
    return names


def _places(table: Table, key: str, *, default: tuple[str, ...]) -> tuple[str, ...]:
    places = table.texts(key, default=default)
    for place in places:
        if key == "ignore" and _IN_NO_JSON.fullmatch(place):
            continue
        try:
            Place.parse(place)
        except ValueError as exc:
            raise table.refused(key, f"has {place!r}, which is no place", cure=_PLACES) from exc
    return places


def _trip(table: Table, *, base: Trip) -> Trip:
    window = table.number("window_seconds", default=base.window.total_seconds(), least=10, most=3_600)
    return Trip(
        minimum=table.whole_number("minimum", default=base.minimum, least=1, most=1_000_000),
        errors=table.number("errors", default=base.errors, least=0, most=1),
        slowness=table.number("slowness", default=base.slowness, least=1, most=1_000),
        mismatches=table.number("mismatches", default=base.mismatches, least=0, most=1),
        window=timedelta(seconds=window),
    )
