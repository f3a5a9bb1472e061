"""A real browser: Debian's chromium."""

import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import ConsoleMessage, Page, async_playwright, expect

from tests.absent import absent

PATIENCE_MS = 15_000
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where it is."""
    executable = shutil.which("chromium")
    if executable is None:
        absent("Debian's chromium is not installed")
    return executable


@pytest.fixture
async def page(chromium: str) -> AsyncIterator[Page]:
    """A page of a browser that has been nowhere; it fails the test on console errors and requests to other hosts."""
    wrong: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type == "error":
            wrong.append(message.text)

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=OPTIONS)
        opened = await browser.new_page()
        opened.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)  # five seconds are little where other tests use the cores
        opened.on("console", hear)
        opened.on("pageerror", lambda error: wrong.append(str(error)))
        opened.on("request", lambda request: None if is_local(request.url) else wrong.append(request.url))
        yield opened
        await browser.close()
    assert wrong == []


def is_local(url: str) -> bool:
    return url.startswith(("http://127.0.0.1:", "data:", "blob:"))
