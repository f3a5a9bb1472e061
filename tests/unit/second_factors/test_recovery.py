"""allauth's recovery codes. That they are those which allauth itself generates, the integration tests hold."""

from typing import Any

import pytest

from bridge.second_factors.recovery import RecoveryCodes

SEED = "a5" * 40


def codes_of(data: dict[str, Any], **more: int) -> list[str]:
    return list(RecoveryCodes(**more)._generated(data["seed"]))


def test_a_code_is_used_up_by_its_bit():
    codes = RecoveryCodes()
    data: dict[str, Any] = {"seed": SEED, "used_mask": 0b1, "viewed_at": 1.5}
    third = codes_of(data)[2]

    used = codes.consume(third, data)

    assert used == data | {"used_mask": 0b101}
    assert codes.consume(third, used) is None


def test_a_code_whose_bit_is_set_is_refused():
    data = {"seed": SEED, "used_mask": 0b1}

    assert RecoveryCodes().consume(codes_of(data)[0], data) is None


def test_there_are_as_many_codes_of_as_many_digits_as_the_site_says():
    assert [len(code) for code in codes_of({"seed": SEED}, count=4, digits=12)] == [12] * 4


def test_a_migrated_code_is_taken_out_of_the_list():
    data = {"migrated_codes": ["a", "b", "a"]}

    assert RecoveryCodes().consume(" a ", data) == {"migrated_codes": ["b", "a"]}
    assert RecoveryCodes().consume("A", data) is None


def test_an_empty_list_of_migrated_codes_has_none():
    assert RecoveryCodes().consume("", {"migrated_codes": [], "seed": SEED, "used_mask": 0}) is None


@pytest.mark.parametrize(
    "data",
    [
        {},
        [],
        None,
        "x",
        {"seed": SEED},
        {"seed": 1, "used_mask": 0},
        {"seed": SEED, "used_mask": "0"},
        {"migrated_codes": 5},
    ],
    ids=repr,
)
def test_data_that_allauth_does_not_write_is_refused(data: Any):
    with pytest.raises(ValueError, match="no recovery codes"):
        RecoveryCodes().consume("12345678", data)
