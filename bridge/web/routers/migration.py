"""How far the upgrade is, for staff."""

from typing import Any

from fastapi import APIRouter, Depends, Response

from bridge.web.dependencies import BridgeServices, StaffUser, account_user

__all__ = ["router"]

router = APIRouter(prefix="/migration", tags=["migration"], dependencies=[Depends(account_user)])


@router.get(
    "/report",
    response_model=dict[str, Any],
    responses={401: {"description": "No valid access token"}, 403: {"description": "Staff only"}},
)
async def report(staff: StaffUser, bridge: BridgeServices) -> Response:  # noqa: ARG001  # it guards the door
    """Count how many hashes have been upgraded; the same document as ``bridge report --format json``."""
    await bridge.recorder.flush()
    return Response(await bridge.reporting.document(), media_type="application/json")
