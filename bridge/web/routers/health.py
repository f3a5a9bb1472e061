"""For load balancers and Prometheus."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from bridge.errors import DatabaseError
from bridge.web.dependencies import BridgeServices
from bridge.web.errors import Problem

__all__ = ["router"]

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """That it runs."""

    status: str = "ok"


class Readiness(BaseModel):
    """That it can serve.

    Attributes:
        rehashing_is_safe: whether `bridge doctor` would find nothing in the way.
    """

    status: str = "ready"
    rehashing_is_safe: bool


@router.get("/healthz")
async def healthz() -> Health:
    """Say that the process answers. Asks nobody else: a database that is away is no reason to restart it."""
    return Health()


@router.get("/readyz", responses={503: {"description": "The database is not available"}})
async def readyz(bridge: BridgeServices) -> Readiness:
    """Say whether requests can be served, which needs the database."""
    try:
        # SQL outside the store, which is about tables: this asks for none.
        await bridge.database.fetch_one("SELECT 1 AS one")
    except DatabaseError as exc:
        raise Problem(503, code="not_ready", detail="The database is not available") from exc
    return Readiness(rehashing_is_safe=bridge.safety.is_safe)


@router.get(
    "/metrics", response_class=Response, responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}
)
async def metrics(bridge: BridgeServices) -> Response:
    """Give this process's metrics for Prometheus."""
    return Response(generate_latest(bridge.registry), media_type=CONTENT_TYPE_LATEST)
