"""How log lines look, and that the document tells of all that is in them."""

import json
import logging
import re
import sys
from typing import Any, Final

import pytest

from bridge.services.logs import JsonFormatter, TextFormatter, logging_config
from bridge.services.recording import FIELDS, Event
from tests.conftest import CHECKOUT

COMMON: Final = {"time", "level", "logger", "message", "exception"}


def test_every_event_and_every_field_is_documented():
    document = (CHECKOUT / "docs" / "audit.md").read_text(encoding="utf-8")

    assert set(re.findall(r"^\| `(\w+)` \|", document, re.MULTILINE)) == {*Event, *FIELDS, *COMMON}


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()], ids=["json", "text"])
def test_a_line_is_one_line_whatever_is_logged(formatter: logging.Formatter):
    record = logging.makeLogRecord({"msg": "ready", "name": "bridge.audit", "event": "ready", "reason": "because"})

    line = formatter.format(record)

    assert "\n" not in line
    assert "because" in line


def test_a_traceback_is_part_of_its_json_line():
    try:
        int("broken")
    except ValueError:
        record = logging.LogRecord("bridge.web", logging.ERROR, "", 0, "went %s", ("wrong",), sys.exc_info())

    line: dict[str, Any] = json.loads(JsonFormatter().format(record))

    assert (line["level"], line["logger"], line["message"]) == ("error", "bridge.web", "went wrong")
    assert "ValueError: " in line["exception"]
    assert set(line) == COMMON


def test_requests_are_logged_only_where_that_is_asked_for():
    levels = [logging_config("json", access_log=each)["loggers"]["uvicorn.access"]["level"] for each in (True, False)]

    assert levels == ["INFO", "WARNING"]
