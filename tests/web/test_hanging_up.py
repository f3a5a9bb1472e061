"""A client that hangs up while its login waits for a hash leaves the queue."""

import asyncio
import json
import threading
from collections.abc import MutableMapping
from functools import partial
from typing import Any, Final

from tests.conftest import PASSWORD, Cast
from tests.web.conftest import before_any_database
from tests.web.counting import counted

pytestmark = before_any_database
PATIENCE: Final = 5  # seconds
SCOPE: Final = {
    "type": "http",
    "asgi": {"version": "3.0"},
    "http_version": "1.1",
    "method": "POST",
    "scheme": "http",
    "path": "/auth/login",
    "raw_path": b"/auth/login",
    "query_string": b"",
    "root_path": "",
    "headers": [(b"host", b"bridge"), (b"content-type", b"application/json")],
    "client": ("127.0.0.1", 1),
    "server": ("bridge", 80),
}


async def test_a_client_that_hangs_up_leaves_the_queue(service_url: str, cast: Cast):
    await cast.add("ada")
    gate, waits, hangs_up = threading.Event(), asyncio.Event(), asyncio.Event()
    body = json.dumps({"username": "ada", "password": PASSWORD}).encode()
    parts: list[dict[str, Any]] = [{"body": body[:9], "more_body": True}, {"body": body[9:]}]
    left = iter([{"type": "http.request", **part} for part in parts])
    statuses: list[int] = []

    async def receive() -> MutableMapping[str, Any]:
        message = next(left, None)
        if message is None:
            waits.set()
            await hangs_up.wait()
        return message or {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        statuses.extend([message["status"]] if message["type"] == "http.response.start" else [])

    async with counted(service_url) as running, asyncio.timeout(PATIENCE):
        pool = running.app.state.bridge.login._pool
        await running.app.state.bridge.login._floor.measured(lambda: None)
        others = asyncio.create_task(pool.run(partial(gate.wait, PATIENCE)))
        await asyncio.sleep(0)
        request = asyncio.create_task(running.app(dict(SCOPE), receive, send))
        await waits.wait()
        assert (statuses, pool._waiting) == ([], 1)

        hangs_up.set()
        await request
        assert (statuses, pool._waiting) == ([503], 0)

        gate.set()
        await others
