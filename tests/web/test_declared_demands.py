"""What an endpoint demands is refused where it is written wrongly, and stands in the document."""

from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from bridge.web.app import create_app
from bridge.web.dependencies import require_group, require_permission
from tests.conftest import settings_for
from tests.web.conftest import before_any_database
from tests.web.demanding import CHANGE, DEMANDING, client, router

__all__ = ["client"]


# Before the first request ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["change_order", "", ".", "shop.", ".change_order", "shop change.order", "shop/change", "shop.\0", "shop.\ud800"],
    ids=ascii,
)
def test_what_is_no_permission_is_refused_where_it_is_written(name: str):
    with pytest.raises(ValueError, match="no permission"):
        require_permission(CHANGE, name)


@pytest.mark.parametrize("name", ["", "\0", "\ud800"], ids=ascii)
def test_what_can_be_no_groups_name_is_refused_where_it_is_written(name: str):
    with pytest.raises(ValueError, match="no name of a group"):
        require_group("editors", name)


@pytest.mark.parametrize("require", [require_permission, require_group])
@pytest.mark.parametrize("names", [(), (None,), (7,), (["shop.change_order"],), (b"shop.change_order",)], ids=repr)
def test_what_is_no_name_at_all_is_refused_where_it_is_written(require: Any, names: Sequence[Any]):
    with pytest.raises(TypeError):
        require(*names)


@pytest.mark.parametrize("name", ["shop.change_order", "shop.can.approve", "shop.kann prüfen", "größe.x", "a.*"])
def test_what_django_takes_for_a_permission_is_taken(name: str):
    require_permission(name)


# What is documented ---------------------------------------------------------------------------------------------------


@pytest.fixture
def operations() -> dict[str, Any]:
    paths = create_app(settings_for("sqlite:///nowhere"), routers=(router,)).openapi()["paths"]
    return {path: operation["get"] for path, operation in paths.items() if "get" in operation}


@pytest.mark.parametrize("path", [*DEMANDING, "/optional"])
def test_every_endpoint_says_that_it_takes_no_wrong_token(operations: dict[str, Any], path: str):
    assert operations[path]["responses"]["401"]["description"] == "No valid access token"


@pytest.mark.parametrize(
    ("path", "codes"),
    [
        ("/staff", "staff_only"),
        ("/super", "superuser_only"),
        ("/permission", "permission_denied"),
        ("/on-route", "permission_denied"),
        ("/nested", "permission_denied"),
        ("/group", "group_required"),
        ("/scoped", "insufficient_scope"),
        ("/scoped-staff", "insufficient_scope, staff_only"),
        ("/below/everything", "group_required, insufficient_scope, permission_denied"),
    ],
)
def test_every_endpoint_says_whom_it_refuses(operations: dict[str, Any], path: str, codes: str):
    assert operations[path]["responses"]["403"]["description"] == f"Not allowed: {codes}"


@pytest.mark.parametrize("path", ["/current", "/optional", "/found-out"])
def test_an_endpoint_that_refuses_nobody_says_nothing_of_it(operations: dict[str, Any], path: str):
    assert "403" not in operations[path]["responses"]


def test_a_user_is_optional_in_the_document_too(operations: dict[str, Any]):
    assert {} in operations["/optional"]["security"]
    assert {} not in operations["/current"]["security"]


def test_an_endpoints_own_words_stay(operations: dict[str, Any]):
    assert operations["/healthz"]["responses"].keys() == {"200"}
    assert operations["/migration/report"]["responses"]["403"]["description"] != ""


@before_any_database
async def test_the_document_is_served(client: httpx.AsyncClient):
    for _ in range(2):
        document = (await client.get("/openapi.json")).json()
        assert document["paths"]["/permission"]["get"]["responses"]["403"]["description"].endswith("permission_denied")
        assert document["paths"]["/optional"]["get"]["security"].count({}) == 1
