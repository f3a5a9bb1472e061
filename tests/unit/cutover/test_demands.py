"""What either app demands of whoever asks, and how they differ: bridge.cutover.demands."""

import pytest

from bridge.cutover.demands import Demands, differences, in_words, lacking

ANYBODY = Demands()
LOGIN = Demands(login=True)
UNTOLD = Demands(login=None)
STAFF = Demands(login=True, staff=True)
SUPERUSER = Demands(login=True, superuser=True)
VIEWER = Demands(login=True, permissions=frozenset({"shop.view_order"}))
EDITOR = Demands(login=True, groups=frozenset({"editors"}))
OWN = Demands(login=None, unknown=("shop.checked",))

LESS = {
    "no_login": (LOGIN, ANYBODY, ["Django demands a login, the handler does not"]),
    "no_staff": (STAFF, LOGIN, ["Django lets only staff in, the handler others as well"]),
    "no_superuser": (SUPERUSER, LOGIN, ["Django lets only superusers in, the handler others as well"]),
    "no_permission": (VIEWER, LOGIN, ["Django demands the permission shop.view_order, the handler does not"]),
    "no_group": (EDITOR, LOGIN, ["Django demands the group editors, the handler does not"]),
    "superusers_are_in_no_group": (EDITOR, SUPERUSER, ["Django demands the group editors, the handler does not"]),
    "superusers_need_be_no_staff": (STAFF, SUPERUSER, ["Django lets only staff in, the handler others as well"]),
    "nothing_at_all": (
        STAFF,
        ANYBODY,
        [
            "Django demands a login, the handler does not",
            "Django lets only staff in, the handler others as well",
        ],
    ),
    "nothing_where_django_asks_on_its_own": (
        OWN,
        ANYBODY,
        ["Django's view asks shop.checked, the handler asks nothing"],
    ),
}


@pytest.mark.parametrize(("legacy", "handler", "words"), LESS.values(), ids=list(LESS))
def test_what_a_handler_does_not_demand_is_lacking(legacy: Demands, handler: Demands, words: list[str]):
    assert list(lacking(legacy, handler)) == words
    assert set(words) <= set(differences(legacy, handler))


AS_MUCH = {
    "nothing": (ANYBODY, ANYBODY),
    "the_same": (VIEWER, VIEWER),
    "more": (LOGIN, VIEWER),
    "superusers_hold_all_permissions": (VIEWER, SUPERUSER),
    "staff_are_logged_in": (LOGIN, Demands(staff=True)),
    "a_login_that_cannot_be_told": (UNTOLD, ANYBODY),
    "something_else_that_cannot_be_told": (OWN, LOGIN),
}


@pytest.mark.parametrize(("legacy", "handler"), AS_MUCH.values(), ids=list(AS_MUCH))
def test_a_handler_that_demands_as_much_lacks_nothing(legacy: Demands, handler: Demands):
    assert lacking(legacy, handler) == ()


MORE = {
    "login": (ANYBODY, LOGIN, "the handler demands a login, Django does not"),
    "staff": (LOGIN, STAFF, "the handler lets only staff in, Django others as well"),
    "superuser": (LOGIN, SUPERUSER, "the handler lets only superusers in, Django others as well"),
    "permission": (LOGIN, VIEWER, "the handler demands the permission shop.view_order, Django does not"),
    "group": (LOGIN, EDITOR, "the handler demands the group editors, Django does not"),
    "scope": (
        LOGIN,
        Demands(login=True, scopes=frozenset({"orders:read"})),
        "the handler demands the scope orders:read of limited tokens",
    ),
    "something_of_its_own": (
        LOGIN,
        Demands(login=True, unknown=("orders.open_hours",)),
        "compare by hand what the handler asks: orders.open_hours",
    ),
    "something_of_djangos": (OWN, LOGIN, "compare by hand what Django's view asks: shop.checked"),
}


@pytest.mark.parametrize(("legacy", "handler", "words"), MORE.values(), ids=list(MORE))
def test_what_is_other_without_being_less_is_a_difference(legacy: Demands, handler: Demands, words: str):
    assert differences(legacy, handler) == (words,)
    assert lacking(legacy, handler) == ()


@pytest.mark.parametrize("each", [ANYBODY, LOGIN, STAFF, SUPERUSER, VIEWER, EDITOR], ids=lambda each: str(each)[:60])
def test_what_is_the_same_has_no_differences(each: Demands):
    assert differences(each, each) == ()


@pytest.mark.parametrize(
    ("one", "other", "login"),
    [(True, None, True), (None, False, None), (False, False, False), (True, False, True)],
    ids=["certain_beats_untold", "untold_beats_none", "none", "certain"],
)
def test_of_two_demands_the_stronger_login_counts(*, one: bool | None, other: bool | None, login: bool | None):
    assert (Demands(login=one) & Demands(login=other)).login is login
    assert (Demands(login=other) & Demands(login=one)).login is login


def test_two_demands_are_put_together_without_repeating_what_is_unknown():
    both = VIEWER & EDITOR & OWN & OWN

    assert (both.permissions, both.groups, both.unknown) == (VIEWER.permissions, EDITOR.groups, ("shop.checked",))


WORDS = {
    "nothing": (ANYBODY, "nothing"),
    "login": (LOGIN, "login"),
    "staff": (STAFF, "staff"),
    "superuser": (SUPERUSER, "superuser"),
    "permission": (VIEWER, "login, permission shop.view_order"),
    "group": (EDITOR, "login, group editors"),
    "scopes": (Demands(login=True, scopes=frozenset({"b", "a"})), "login, scope a, scope b"),
    "own": (OWN, "what shop.checked asks"),
    "untold": (UNTOLD, "what cannot be told"),
}


@pytest.mark.parametrize(("demands", "words"), WORDS.values(), ids=list(WORDS))
def test_what_is_demanded_is_said_in_words(demands: Demands, words: str):
    assert in_words(demands) == words


@pytest.mark.parametrize(
    ("demands", "users"),
    [
        pytest.param(Demands(), ("user", "staff"), id="nothing"),
        pytest.param(Demands(login=True), ("user", "staff"), id="login"),
        pytest.param(Demands(login=None), ("user", "staff"), id="nobody-can-tell"),
        pytest.param(Demands(login=True, staff=True), ("staff",), id="staff"),
        pytest.param(Demands(staff=True, superuser=True), ("superuser",), id="superuser"),
    ],
)
def test_the_kinds_of_user_that_are_let_in(demands: Demands, users: tuple[str, ...]):
    assert demands.users == users
