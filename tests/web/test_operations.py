"""The migrated endpoints as operations: bridge.web.cutover.operations."""

from dataclasses import dataclass, replace
from typing import Annotated, Any, Final

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request, Security, WebSocket

from bridge.cutover.demands import Demands
from bridge.cutover.inventory import Handler, LegacyEndpoint
from bridge.cutover.plan import Plan
from bridge.errors import ConfigurationError
from bridge.web.app import create_app
from bridge.web.cutover.operations import endpoint_findings, handlers_of, own_paths
from bridge.web.dependencies import (
    AccountUser,
    CurrentLogin,
    CurrentUser,
    OptionalUser,
    StaffUser,
    StoredUser,
    SuperUser,
    TokenBearer,
    current_user,
    require_group,
    require_permission,
)
from tests.conftest import settings_for

ANYBODY: Final = Demands()
LOGIN: Final = Demands(login=True)
HERE: Final = __name__


def served(*routers: APIRouter) -> FastAPI:
    return create_app(settings_for("sqlite:///unused"), routers=routers)


def handlers(*routers: APIRouter) -> list[Handler]:
    return list(handlers_of(served(*routers), routers))


def demanded_by(endpoint: Any, **route: Any) -> Demands:
    """What a handler demands that is made of this endpoint."""
    router = APIRouter()
    router.get("/x", **route)(endpoint)
    [found] = handlers(router)
    return found.demands


# Endpoints of these tests


def open_to_all(request: Request) -> None: ...
def for_anybody_known(user: OptionalUser) -> None: ...
def for_users(user: CurrentUser) -> None: ...
def for_logins(login: CurrentLogin) -> None: ...
def for_tokens(token: TokenBearer) -> None: ...
def for_accounts(user: AccountUser) -> None: ...
def for_staff(user: StaffUser) -> None: ...
def for_superusers(user: SuperUser) -> None: ...
def for_permitted(user: Annotated[StoredUser, require_permission("shop.a", "shop.b")]) -> None: ...
def for_editors(user: Annotated[StoredUser, require_group("editors")]) -> None: ...
def for_scoped(user: Annotated[StoredUser, Security(current_user, scopes=["orders:read"])]) -> None: ...
def in_opening_hours(user: CurrentUser) -> None: ...
def in_english(request: Request) -> None: ...
def with_own(
    hours: Annotated[None, Depends(in_opening_hours)], words: Annotated[None, Depends(in_english)]
) -> None: ...


@dataclass
class Quota:
    """A dependency that cannot be hashed."""

    limit: int

    def __call__(self, user: CurrentUser) -> None: ...


def with_quota(quota: Annotated[None, Depends(Quota(7))]) -> None: ...


DEMANDS: Final = {
    "nothing": (open_to_all, ANYBODY),
    "optional_user": (for_anybody_known, ANYBODY),
    "current_user": (for_users, LOGIN),
    "current_login": (for_logins, LOGIN),
    "token": (for_tokens, LOGIN),
    "account": (for_accounts, LOGIN),
    "staff": (for_staff, Demands(login=True, staff=True)),
    "superuser": (for_superusers, Demands(login=True, superuser=True)),
    "permission": (for_permitted, Demands(login=True, permissions=frozenset({"shop.a", "shop.b"}))),
    "group": (for_editors, Demands(login=True, groups=frozenset({"editors"}))),
    "scope": (for_scoped, Demands(login=True, scopes=frozenset({"orders:read"}))),
    "own_dependency_on_the_user": (with_own, Demands(login=True, unknown=(f"{HERE}.in_opening_hours",))),
    "own_object": (with_quota, Demands(login=True, unknown=(f"{HERE}.Quota",))),
}


@pytest.mark.parametrize(("endpoint", "demands"), DEMANDS.values(), ids=list(DEMANDS))
def test_what_an_endpoint_demands_is_read_from_its_dependencies(endpoint: Any, demands: Demands):
    assert demanded_by(endpoint) == demands


def test_the_dependencies_of_the_routers_above_count():
    inner, outer = APIRouter(dependencies=[require_permission("shop.a")]), APIRouter(prefix="/shop")
    inner.get("/x")(for_users)
    outer.include_router(inner, prefix="/deep", dependencies=[require_group("editors")])

    [found] = handlers(outer)

    assert found.demands == Demands(login=True, permissions=frozenset({"shop.a"}), groups=frozenset({"editors"}))
    assert str(found.operation) == "GET /shop/deep/x"
    assert found.regex.match("/shop/deep/x")


def test_each_method_is_a_handler_and_a_websocket_none():
    router = APIRouter()
    router.api_route("/orders/{id:int}/", methods=["GET", "PUT", "OPTIONS"])(open_to_all)

    @router.websocket("/live")
    async def live(socket: WebSocket) -> None: ...

    assert [str(each.operation) for each in handlers(router)] == ["GET /orders/{id}/", "PUT /orders/{id}/"]


def test_the_bridges_own_routes_are_no_handlers():
    assert handlers() == []


def test_a_handler_that_the_bridges_own_routes_hide_is_none():
    router = APIRouter()
    router.get("/auth/token")(open_to_all)
    router.get("/auth/tokens")(open_to_all)

    assert [str(each.operation) for each in handlers(router)] == ["GET /auth/tokens"]


def test_a_path_that_no_operation_can_have_is_refused():
    router = APIRouter()
    router.get("/" + "x" * 300)(open_to_all)

    with pytest.raises(ConfigurationError, match="open_to_all is too long"):
        handlers(router)


@pytest.mark.parametrize("path", ["/auth/token", "/users/me/", "/healthz", "/docs", "/openapi.json", "/auth/grants/7"])
def test_the_bridges_own_paths_are_known(path: str):
    router = APIRouter()
    router.get("/mine")(open_to_all)
    own = own_paths(served(router), [router])

    assert any(each.match(path) for each in own)
    assert not any(each.match("/mine") for each in own)


# Findings -------------------------------------------------------------------------------------------------------------


def view(template: str, demands: Demands) -> LegacyEndpoint:
    return LegacyEndpoint(("GET",), template, "", name="", view="shop.view", kind="view", demands=demands)


def found(inventory: list[LegacyEndpoint], plan: Plan | None = None) -> dict[str, str]:
    router = APIRouter()
    router.get("/orders/")(open_to_all)
    router.get("/staff/")(for_staff)
    return {each.code: each.message for each in endpoint_findings(served(router), [router], inventory, plan)}


def test_a_handler_that_demands_less_than_django_is_found():
    messages = found([view("/orders/", LOGIN), view("/staff/", LOGIN)])

    assert list(messages) == ["handler-demands-less"]
    assert messages["handler-demands-less"].endswith("GET /orders/: Django demands a login, the handler does not")


def test_a_path_of_the_sites_that_the_bridge_hides_is_found():
    messages = found([view("/auth/token", ANYBODY), view("/auth/tokens", ANYBODY), view("/auth/grants/{id}", ANYBODY)])

    assert list(messages) == ["site-paths-hidden"]
    assert messages["site-paths-hidden"].endswith(": /auth/token; /auth/grants/{id}")


def test_a_handler_that_another_takes_the_requests_of_is_found():
    router = APIRouter()
    router.get("/orders/{id}/")(open_to_all)
    router.post("/orders/latest/")(open_to_all)
    router.get("/orders/latest/")(for_staff)
    router.get("/orders/{number:int}/")(for_staff)

    [finding] = endpoint_findings(served(router), [router], [])

    assert finding.code == "handler-hidden"
    assert finding.message.endswith(
        ": GET /orders/latest/, behind GET /orders/{id}/; GET /orders/{number}/, behind GET /orders/{id}/"
    )


@pytest.mark.parametrize(("path", "is_found"), [("/orders/{pk}/", True), ("/orders/{pk:int}/", False)])
def test_a_handler_that_answers_for_several_views_is_found(path: str, *, is_found: bool):
    """Django tells them apart by the types of their parameters: the second one's paths would move unseen."""
    router = APIRouter()
    router.get(path)(open_to_all)
    inventory = [
        replace(view("/orders/{pk}/", ANYBODY), regex=r"/orders/([0-9]+)/\Z", view="shop.order"),
        replace(view("/orders/{slug}/", ANYBODY), regex=r"/orders/([-a-z]+)/\Z", view="shop.named"),
        replace(view("/orders/{again}/", ANYBODY), regex=r"/orders/([-a-z]+)/\Z", view="shop.never"),
    ]

    messages = {each.code: each.message for each in endpoint_findings(served(router), [router], inventory)}

    assert list(messages) == (["handler-for-several-views"] if is_found else [])
    if is_found:
        assert messages["handler-for-several-views"].endswith(": GET /orders/{pk}/: shop.order, shop.named")


def test_of_many_only_some_are_named():
    router = APIRouter()
    for number in range(9):
        router.get(f"/{number}/")(open_to_all)
    inventory = [view(f"/{number}/", LOGIN) for number in range(9)]

    [finding] = endpoint_findings(served(router), [router], inventory)

    assert finding.message.endswith("; and 4 more")
    assert not finding.blocking


def test_where_nothing_is_wrong_nothing_is_found():
    assert found([view("/orders/", ANYBODY), view("/staff/", LOGIN), view("/{page}", LOGIN)]) == {}


def planned(*operations: str) -> Plan:
    return Plan.parse("".join(f'[operations."{each}"]\n' for each in operations))


def test_an_operation_of_the_plan_that_neither_app_has_is_found():
    """A slash too few, and what was meant falls to the defaults: its limits are lost."""
    messages = found([view("/pay/", ANYBODY)], planned("GET /pay", "POST /pay/", "GET /pay/", "GET /orders/"))

    assert list(messages) == ["plan-names-unknown"]
    assert messages["plan-names-unknown"].endswith(": GET /pay; POST /pay/")


def test_an_operation_of_the_plan_is_known_by_its_shape_from_either_app():
    any_method = replace(view("/{page}/old/", ANYBODY), methods=())

    assert found([any_method], planned("GET /staff/", "DELETE /{name}/old/")) == {}


def test_where_the_sites_endpoints_are_not_known_nothing_is_said_of_the_plan():
    assert found([], None) == {}
