"""Answers to compare."""

import json
from typing import Any

from bridge.cutover import Answer, Comparison, Difference, compare

KEY = b"k" * 32


def answer(body: bytes = b"", status: int = 200, **headers: str) -> Answer:
    raw = tuple((name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items())
    return Answer(status=status, headers=raw, body=body)


def json_answer(content: Any) -> Answer:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return answer(body, content_type="application/json")


def page(text: str) -> Answer:
    return answer(text.encode(), content_type="text/html; charset=utf-8")


def json_compared(legacy: Any, candidate: Any, **rules: Any) -> tuple[Difference, ...]:
    return compare(json_answer(legacy), json_answer(candidate), rules=Comparison(**rules), key=KEY)


def told(differences: tuple[Difference, ...]) -> list[tuple[str, str, str, str]]:
    return [(each.place, each.kind, each.legacy, each.candidate) for each in differences]
