"""Both apps' operations side by side: bridge.cutover.inventory."""

import re

from bridge.cutover.demands import Demands
from bridge.cutover.inventory import Handler, LegacyEndpoint, Pair, side_by_side
from bridge.cutover.operations import Operation

LOGIN = Demands(login=True)


def endpoint(template: str, *methods: str, demands: Demands = LOGIN) -> LegacyEndpoint:
    return LegacyEndpoint(methods, template, "", name="", view="shop.view", kind="view", demands=demands)


def handler(method: str, template: str, demands: Demands = LOGIN) -> Handler:
    return Handler(Operation(method, template), demands, re.compile(""), name="orders.view")


def listed(pairs: tuple[Pair, ...]) -> list[tuple[str, bool, bool]]:
    return [(str(pair.operation), pair.legacy is not None, pair.handler is not None) for pair in pairs]


def test_operations_are_paired_whatever_their_parameters_are_called():
    pairs = side_by_side([endpoint("/orders/{pk}/", "GET")], [handler("GET", "/orders/{order_id}/")])

    assert listed(pairs) == [("GET /orders/{order_id}/", True, True)]


def test_djangos_come_first_in_its_order_and_then_what_only_the_bridge_has():
    pairs = side_by_side(
        [endpoint("/b/", "GET", "POST"), endpoint("/a/", "GET")], [handler("GET", "/new/"), handler("POST", "/b/")]
    )

    assert listed(pairs) == [
        ("GET /b/", True, False),
        ("POST /b/", True, True),
        ("GET /a/", True, False),
        ("GET /new/", False, True),
    ]


def test_a_view_that_says_nothing_of_methods_is_listed_by_get_and_by_what_has_a_handler():
    pairs = side_by_side([endpoint("/any/")], [handler("DELETE", "/any/")])

    assert listed(pairs) == [("GET /any/", True, False), ("DELETE /any/", True, True)]


def test_of_two_patterns_for_the_same_paths_djangos_first_counts():
    first, second = endpoint("/x/{a}/", "GET"), endpoint("/x/{b}/", "GET", demands=Demands())

    [pair] = side_by_side([first, second], [])

    assert pair.legacy is first


def test_of_two_handlers_for_the_same_operation_the_bridges_first_counts():
    first, second = handler("GET", "/x/{a}"), handler("GET", "/x/{b}")

    [pair] = side_by_side([], [first, second])

    assert pair.handler is first


def test_a_pair_says_how_its_demands_differ():
    [pair] = side_by_side([endpoint("/x/", "GET")], [handler("GET", "/x/", demands=Demands())])

    assert pair.lacking == pair.differences == ("Django demands a login, the handler does not",)


def test_where_one_side_is_missing_there_is_nothing_to_compare():
    pairs = side_by_side([endpoint("/a/", "GET")], [handler("GET", "/b/")])

    assert [(pair.differences, pair.lacking) for pair in pairs] == [((), ()), ((), ())]
