"""Programs that some tests need, and that a machine may lack."""

import os
from typing import NoReturn

import pytest


def absent(what: str) -> NoReturn:
    """Skip the test; fail it where nothing may be skipped, as in the gate.

    The variable bears the name of the first program that was asked for so.
    """
    if os.environ.get("BRIDGE_REQUIRE_BROWSER") == "1":
        pytest.fail(what)
    pytest.skip(what)
