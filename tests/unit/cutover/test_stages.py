"""What moves, how far it has moved, and which app answers on the way."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.cutover import METHODS, WHOLE, Operation, Side, Stage, Standing, basis_points, share_text
from bridge.cutover.operations import LONGEST_OPERATION


@pytest.mark.parametrize(
    ("text", "written", "shape"),
    [
        ("GET /orders/{order_id}/", "GET /orders/{order_id}/", "GET /orders/{}/"),
        ("patch  /a/{b}/c/{d} ", "PATCH /a/{b}/c/{d}", "PATCH /a/{}/c/{}"),
        ("GET /", "GET /", "GET /"),
        ("GET /{path:path}", "GET /{path:path}", "GET /{}"),
    ],
    ids=["a parameter", "two, and spaces", "the root", "with its converter"],
)
def test_an_operation_is_known_by_its_shape(text: str, written: str, shape: str):
    operation = Operation.parse(text)
    assert (str(operation), operation.shape) == (written, shape)


@pytest.mark.parametrize(
    "text", ["", "GET", "/orders/", "GET orders/", "HEAD /orders/", "OPTIONS /", "GET /" + "a" * LONGEST_OPERATION]
)
def test_what_is_no_operation_is_refused(text: str):
    with pytest.raises(ValueError, match="is no operation: write a method and a path"):
        Operation.parse(text)


@settings(deadline=None, derandomize=True, database=None)
@given(st.sampled_from(METHODS), st.text(max_size=40))
def test_the_shape_of_a_shape_is_itself(method: str, path: str):
    shape = Operation.parse(f"{method} /{path}").shape
    assert Operation.parse(shape).shape == shape


@pytest.mark.parametrize(
    ("stage", "share", "given"),
    [
        (Stage.LEGACY, None, 0),
        (Stage.SHADOW, None, WHOLE),
        (Stage.SHADOW, 100, 100),
        (Stage.CANARY, 500, 500),
        (Stage.MIGRATED, None, 0),
        (Stage.MIGRATED, 100, 100),
        (Stage.RETIRED, None, 0),
    ],
)
def test_a_stage_has_the_share_that_it_is_given_or_its_own(stage: Stage, share: int | None, given: int):
    assert Standing.of(stage, share).share == given


@pytest.mark.parametrize(
    ("stage", "share"),
    [(Stage.LEGACY, 1), (Stage.RETIRED, 1), (Stage.CANARY, None), (Stage.CANARY, WHOLE + 1), (Stage.SHADOW, -1)],
)
def test_a_share_that_a_stage_cannot_have_is_refused(stage: Stage, share: int | None):
    with pytest.raises(ValueError, match="share"):
        Standing.of(stage, share)


@pytest.mark.parametrize(
    ("standing", "bucket", "is_listed", "side"),
    [
        (Standing(), 0, True, Side.LEGACY),
        (Standing.of(Stage.SHADOW), 0, True, Side.LEGACY),
        (Standing.of(Stage.CANARY, 500), 499, False, Side.BRIDGE),
        (Standing.of(Stage.CANARY, 500), 500, False, Side.LEGACY),
        (Standing.of(Stage.CANARY, 0), 9_999, True, Side.BRIDGE),
        (Standing.of(Stage.CANARY, WHOLE), None, False, Side.LEGACY),
        (Standing.of(Stage.MIGRATED), None, False, Side.BRIDGE),
        (Standing.of(Stage.RETIRED), None, False, Side.BRIDGE),
    ],
    ids=["legacy", "shadow", "below the share", "at the share", "on the list", "nobody known", "migrated", "retired"],
)
def test_a_standing_says_which_app_answers(standing: Standing, bucket: int | None, *, is_listed: bool, side: Side):
    assert standing.side(bucket=bucket, is_listed=is_listed) is side


@settings(deadline=None, derandomize=True, database=None)
@given(st.integers(0, WHOLE))
def test_a_share_is_read_as_it_is_written(share: int):
    assert basis_points(share_text(share)) == share


@pytest.mark.parametrize(("text", "share"), [("5%", 500), (" 0.25% ", 25), ("100", WHOLE), ("1e1%", 1_000)])
def test_a_share_is_read_in_basis_points(text: str, share: int):
    assert basis_points(text) == share


@pytest.mark.parametrize("text", ["", "%", "five", "-1%", "100.01%", "0.001%", "nan%", "inf%", "1e999999999999999999%"])
def test_what_is_no_share_is_refused(text: str):
    with pytest.raises(ValueError, match="share"):
        basis_points(text)
