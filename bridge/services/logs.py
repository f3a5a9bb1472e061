"""How log lines look: for people, or one JSON object each."""

import json
import logging
from datetime import UTC, datetime
from typing import Any, Final, Literal

from bridge.services.recording import FIELDS

__all__ = ["Format", "JsonFormatter", "TextFormatter", "logging_config"]

Format = Literal["text", "json"]


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``time``, ``level``, ``logger``, ``message``, and of the audit log what it tells."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_told(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class TextFormatter(logging.Formatter):
    """The same for people: the message, and behind it what the audit log tells, as ``name=value``."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's name
        """Give the line without its traceback."""
        told = "".join(f" {name}={value}" for name, value in _told(record).items() if name != "event")
        return super().formatMessage(record) + told


def logging_config(lines: Format, *, access_log: bool = False) -> dict[str, Any]:
    """Give the ``logging.config.dictConfig`` of ``bridge serve``: everything to standard error."""
    formatter: Final = JsonFormatter if lines == "json" else TextFormatter
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {"()": formatter}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines"}},
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {
            "bridge": {"level": "INFO"},
            "uvicorn": {"level": "INFO"},
            "uvicorn.access": {"level": "INFO" if access_log else "WARNING"},
        },
    }


def _told(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name in FIELDS if (value := record.__dict__.get(name)) is not None}
