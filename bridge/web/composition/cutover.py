"""What decides which app answers, and what is noted of it."""

from collections.abc import Callable
from dataclasses import dataclass

from bridge.cutover import Plan
from bridge.services.endpoints import Stages
from bridge.services.traffic import Traffic
from bridge.web.operations import OperationTable
from bridge.web.proxy import Upstream
from bridge.web.shadow import Shadow

__all__ = ["Cutover"]


@dataclass(frozen=True, slots=True)
class Cutover:
    """The bridge in front of the site.

    Attributes:
        upstream: the site.
        is_own: whether a path is the bridge's, whatever has moved.
        handlers: the migrated endpoints.
        legacy_shape: names the site's operation by method and path; None where it is in no table.
        secret_keys: of the canary's cookie.
    """

    upstream: Upstream
    is_own: Callable[[str], bool]
    handlers: OperationTable
    legacy_shape: Callable[[str, str], str | None]
    stages: Stages
    plan: Plan
    traffic: Traffic
    shadow: Shadow
    secret_keys: tuple[str, ...]
