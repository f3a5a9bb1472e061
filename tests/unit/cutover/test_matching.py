"""Finding the operation of a request: bridge.cutover.matching."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.routing import compile_path

from bridge.cutover.demands import Demands
from bridge.cutover.inventory import Handler, LegacyEndpoint
from bridge.cutover.matching import LONGEST_PATH, LegacyTable, OperationTable
from bridge.cutover.operations import Operation


def handler(method: str, path: str) -> Handler:
    regex, template, _ = compile_path(path)
    return Handler(Operation(method, template), Demands(), regex, name=path)


HANDLERS = OperationTable(
    [
        handler("GET", "/orders/"),
        handler("POST", "/orders/"),
        handler("GET", "/orders/{id:int}/"),
        handler("GET", "/orders/{slug}/"),
        handler("PUT", "/orders/{slug}/"),
        handler("GET", "/orders/latest/"),
        handler("GET", "/files/{name:path}"),
        handler("GET", "/a-b.c/{x}"),
    ]
)


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/orders/", "/orders/"),
        ("HEAD", "/orders/", "/orders/"),
        ("POST", "/orders/", "/orders/"),
        ("DELETE", "/orders/", None),
        ("OPTIONS", "/orders/", None),
        ("get", "/orders/", None),
        ("GET", "/orders", None),
        ("GET", "/orders/7/", "/orders/{id:int}/"),
        ("GET", "/orders/seven/", "/orders/{slug}/"),
        ("PUT", "/orders/7/", "/orders/{slug}/"),
        ("GET", "/orders/latest/", "/orders/{slug}/"),
        ("GET", "/orders/7/items/", None),
        ("GET", "/files/a/b/c", "/files/{name:path}"),
        ("GET", "/files/" + "x" * 2 * LONGEST_PATH, "/files/{name:path}"),
        ("GET", "/a-b.c/ü", "/a-b.c/{x}"),
        ("GET", "/a-bxc/1", None),
        ("GET", "", None),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_handler_is_found_as_starlettes_router_finds_it(method: str, path: str, name: str | None):
    for _ in range(2):  # the second time it is remembered
        found = HANDLERS.find(method, path)
        assert (found.name if found else None) == name


def endpoint(regex: str, template: str, *methods: str, view: str = "shop.view") -> LegacyEndpoint:
    return LegacyEndpoint(methods, template, regex, name="", view=view, kind="view", demands=Demands())


SITE = LegacyTable(
    [
        endpoint(r"/orders/\Z", "/orders/", "GET"),
        endpoint(r"/orders/\Z", "/orders/", "POST"),
        endpoint(r"/orders/new/\Z", "/orders/new/", "POST"),
        endpoint(r"/orders/(?:[^/]+)/\Z", "/orders/{id}/", "GET"),
        endpoint(r"/colou?r/\Z", "/color/"),
        endpoint(r"/a\-b\.c/\Z", "/a-b.c/"),
        endpoint("", "/nowhere/"),
        endpoint("/of-another-python/(?", "/of-another-python/"),
        endpoint(r"/open", "/open"),
    ]
)


@pytest.mark.parametrize(
    ("method", "path", "shape"),
    [
        ("GET", "/orders/", "GET /orders/"),
        ("HEAD", "/orders/", "GET /orders/"),
        ("POST", "/orders/", "POST /orders/"),
        ("DELETE", "/orders/", None),
        ("OPTIONS", "/orders/", None),
        ("GET", "/orders/7/", "GET /orders/{}/"),
        ("GET", "/orders/new/", None),
        ("GET", "/color/", "GET /color/"),
        ("PATCH", "/colour/", "PATCH /color/"),
        ("BREW", "/color/", None),
        ("GET", "/a-b.c/", "GET /a-b.c/"),
        ("GET", "/nowhere/", None),
        ("GET", "/of-another-python/", None),
        ("GET", "/opened/", "GET /open"),
        ("GET", "/open" + "x" * LONGEST_PATH, None),
        ("GET", "/orders/\n", None),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_view_is_found_as_django_finds_it(method: str, path: str, shape: str | None):
    for _ in range(2):
        assert SITE.find(method, path) == shape


@pytest.mark.parametrize(
    ("path", "handler", "is_djangos"),
    [
        pytest.param("/orders/new/", "/orders/{id}/", True, id="text-instead-of-a-parameter"),
        pytest.param("/orders/new/", "/{anything}", True, id="parameter-over-several-segments"),
        pytest.param("/orders/new/", "/{language}/new/", True, id="text-in-the-middle"),
        pytest.param("/orders/new/", "/orders/new/", False, id="same"),
        pytest.param("/orders/7/", "/orders/{number}/", False, id="same-by-another-name"),
        pytest.param("/orders/7/", "/orders/7/", False, id="handler-is-narrower"),
        pytest.param("/orders/7/", "/{place}/7/", False, id="neither-is"),
        pytest.param("/opened/", "/opened/{x}", False, id="handler-is-longer"),
        pytest.param("/colour/", "/{x}/", True, id="optional-parts"),
        pytest.param("/nowhere/", "/{x}/", False, id="unknown-to-django"),
        pytest.param("/orders/" + "x" * LONGEST_PATH, "/{anything}", True, id="too-long-to-tell"),
        pytest.param("/orders/" + "x" * LONGEST_PATH, "/orders/new/", False, id="too-long-and-none-is-narrower"),
    ],
)
def test_a_narrower_view_of_djangos_keeps_its_paths(path: str, handler: str, *, is_djangos: bool):
    for _ in range(2):
        assert SITE.has_narrower(path, than=handler) is is_djangos


def test_an_empty_site_has_nothing():
    assert LegacyTable([]).find("GET", "/") is None
    assert not LegacyTable([]).has_narrower("/", than="/{x}")
    assert OperationTable([]).find("GET", "/") is None


def test_what_is_remembered_is_bounded():
    table = OperationTable([Handler(Operation("GET", "/{x}"), Demands(), re.compile(r"^/[^/]+$"), name="x")])
    for number in range(10_000):
        table.find("GET", f"/{number}")

    assert table._remembered.cache_info().currsize == 4096


TEMPLATES = st.lists(st.sampled_from(["a", "b", "{}"]), max_size=4).map(
    lambda parts: "/" + "".join(part.replace("{}", f"{{x{number}}}") + "/" for number, part in enumerate(parts))
)
WAYS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=4).map(lambda parts: "/" + "/".join(parts))


@given(st.lists(TEMPLATES, max_size=12), WAYS, st.sampled_from(["", "/"]))
@settings(deadline=None, derandomize=True, database=None)
def test_the_index_finds_what_a_look_at_every_route_in_turn_would(templates: list[str], way: str, slash: str):
    handlers = [handler("GET", template) for template in templates]

    in_turn = next((each for each in handlers if each.regex.match(way + slash)), None)

    assert OperationTable(handlers).find("GET", way + slash) == in_turn
