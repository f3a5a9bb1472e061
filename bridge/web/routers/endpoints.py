"""Which app answers on which endpoint, and moving them: for staff."""

from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from bridge.cutover.operations import LONGEST_OPERATION, Operation
from bridge.cutover.stages import Stage, Standing, basis_points
from bridge.services.endpoints import Move, Moved, MoveRefused, Refusal
from bridge.services.figures import PERIOD
from bridge.services.listing import moved_document, moved_fields
from bridge.services.recording import Event
from bridge.services.traffic import KEPT
from bridge.store.endpoints import LONGEST_REASON
from bridge.store.text import is_storable
from bridge.store.users import StoredUser
from bridge.web.composition import Bridge
from bridge.web.dependencies import BridgeServices, StaffUser, account_user
from bridge.web.errors import Problem
from bridge.web.routes import BoundedRoute

__all__ = ["router"]

_HIGHEST_VERSION: Final = 2**63 - 1
_STATUS: Final = {
    Refusal.VERSION_CONFLICT: 409,
    Refusal.RETIRED: 409,
    Refusal.TRIPPED: 409,
    Refusal.NO_HANDLER: 422,
    Refusal.STAGE_NOT_ALLOWED: 422,
    Refusal.NEVER_MOVED: 404,
}
_REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    404: {"description": "`never_moved`"},
    409: {"description": "`version_conflict`, `tripped`, `retired`: it stays where it is"},
    422: {"description": "`no_handler`, `stage_not_allowed`, `invalid`"},
}

router = APIRouter(
    prefix="/migration/endpoints",
    tags=["migration"],
    route_class=BoundedRoute,
    # An application that a member of staff lent some scope to was not lent the site's routing, nor was half a login.
    dependencies=[Depends(account_user)],
)


def _storable(text: str) -> str:
    if not is_storable(text):
        raise ValueError("it holds characters that cannot be stored")
    return text


def _operation(text: str) -> str:
    Operation.parse(text)
    return text


def _share(text: str) -> str:
    basis_points(text)
    return text


OperationText = Annotated[
    str,
    Field(max_length=LONGEST_OPERATION, examples=["GET /orders/{id}/"]),
    AfterValidator(_storable),
    AfterValidator(_operation),
]
Reason = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_REASON, strip_whitespace=True),
    AfterValidator(_storable),
]


class StageChange(BaseModel):
    """Where to move an operation."""

    model_config = ConfigDict(extra="forbid")

    operation: OperationText
    stage: Stage
    share: Annotated[str, Field(max_length=20, examples=["5%"]), AfterValidator(_share)] | None = None
    reason: Reason
    rearm: bool = Field(default=False, description="Let one that was rolled back automatically leave Django again")
    expected_version: int | None = Field(
        None, ge=0, le=_HIGHEST_VERSION, description="Of the standing that you have seen; 0 if it was never moved"
    )


class Rollback(BaseModel):
    """What to give back to Django."""

    model_config = ConfigDict(extra="forbid")

    operation: OperationText | None = Field(description="null for all")
    reason: Reason


@router.get("")
async def show_endpoints(
    staff: StaffUser,  # noqa: ARG001  # it guards the door
    bridge: BridgeServices,
    *,
    everything: Annotated[bool, Query(alias="all", description="Also Django's endpoints that have no handler")] = False,
) -> dict[str, Any]:
    """List every endpoint with the stage in force; the same document as ``bridge endpoints list --json``."""
    return (await bridge.listing.listed(everything=everything)).to_document()


@router.get("/report")
async def report(
    staff: StaffUser,  # noqa: ARG001  # it guards the door
    bridge: BridgeServices,
    *,
    days: Annotated[int, Query(ge=1, le=KEPT.days, description="How far back its figures go")] = PERIOD.days,
) -> dict[str, Any]:
    """Draw up how far the endpoints have moved; ``bridge endpoints report --json`` without the values that differed."""
    return (await bridge.cutover_reporting.report(period=timedelta(days=days))).to_document()


@router.put("/stage", responses=_REFUSALS)
async def set_stage(change: StageChange, staff: StaffUser, bridge: BridgeServices) -> dict[str, Any]:
    """Move an endpoint. Every replica follows within a second, this one before it answers."""
    move = Move(
        operation=Operation.parse(change.operation),
        standing=_standing(change),
        actor=f"user:{staff.username}",
        reason=change.reason,
        rearm=change.rearm,
        expected_version=change.expected_version,
    )
    outcome = await bridge.moving.set(move)
    if isinstance(outcome, MoveRefused):
        raise _problem(outcome)
    _note(bridge, staff, outcome)
    await bridge.stages.look()
    return moved_document(outcome)


@router.post("/rollback", responses=_REFUSALS)
async def roll_back(wanted: Rollback, staff: StaffUser, bridge: BridgeServices) -> dict[str, Any]:
    """Let Django answer, on one endpoint or on all that it still has."""
    operation = None if wanted.operation is None else Operation.parse(wanted.operation)
    outcome = await bridge.moving.rollback(operation, actor=f"user:{staff.username}", reason=wanted.reason)
    if isinstance(outcome, MoveRefused):
        raise _problem(outcome)
    for each in outcome.moved:
        _note(bridge, staff, each)
    await bridge.stages.look()
    return {"moved": [moved_document(each) for each in outcome.moved], "retired": outcome.retired}


def _note(bridge: Bridge, staff: StoredUser, moved: Moved) -> None:
    bridge.recorder.note(Event.STAGE_CHANGED, user_id=staff.id, **moved_fields(moved))


def _standing(change: StageChange) -> Standing:
    try:
        return Standing.of(change.stage, None if change.share is None else basis_points(change.share))
    except ValueError as exc:
        errors = [{"field": "share", "message": str(exc)}]
        raise Problem(422, code="invalid", detail=str(exc), errors=errors) from exc


def _problem(refused: MoveRefused) -> Problem:
    return Problem(_STATUS[refused.code], code=refused.code, detail=refused.detail)
