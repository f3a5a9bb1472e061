"""The dashboard as staff use it, in a real browser: beside both apps, by keyboard, without a script."""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Final

import httpx
import pytest
from playwright.async_api import Browser, Locator, Page, expect

from bridge.services.clock import system_clock
from bridge.store.database import Database
from bridge.web.composition import reporting_of, site_profile
from tests.absent import absent
from tests.browser.filled import fill
from tests.conftest import CHECKOUT, PASSWORD, Cast
from tests.guarded import DJANGO
from tests.processes import START_SECONDS, server

AXE: Final = CHECKOUT / "tests" / "node" / "node_modules" / "axe-core" / "axe.min.js"
INSTALL: Final = "npm install --no-package-lock --prefix tests/node"
PAPER: Final = 718
"""A4 between margins of a centimetre, in CSS pixels."""
TURN: Final = "document.dispatchEvent(new Event('visibilitychange'))"
"""What makes an open page look at once, as it does when somebody comes back to it."""


@pytest.fixture(scope="module")
def axe() -> str:
    """What looks for barriers, as a script."""
    if not AXE.is_file():
        absent(f"axe-core is not installed: {INSTALL}")
    return AXE.read_text()


@pytest.fixture
async def filled(database: Database, database_url: str, cast: Cast) -> AsyncIterator[str]:
    """The address of a bridge that has much to show, to ``staff``."""
    await cast.add("staff", is_staff=True)
    await cast.add("ada")
    await fill(database, users=300)
    await reporting_of(database, await site_profile(database), system_clock).take_snapshot()
    serving = ("bridge", "serve", "--port", "0", "--endpoints", "tests.browser.filled:router")
    with server(database_url, *serving) as address:
        yield address


async def log_in(page: Page, address: str, username: str) -> None:
    await page.goto(f"{address}/migration/")
    await page.get_by_label("Username").fill(username)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()


async def becomes(page: Page, figure: Locator, text: str) -> None:
    """Wait until a figure of an open page is another."""
    for _ in range(20):
        await page.evaluate(TURN)
        with suppress(AssertionError):
            await expect(figure).to_have_text(text, timeout=500)
            break
    await expect(figure).to_have_text(text)


async def log_in_at_django(address: str, username: str) -> None:
    async with httpx.AsyncClient(base_url=address, timeout=START_SECONDS) as client:
        await client.get("/accounts/login/")
        form = {"username": username, "password": PASSWORD, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
        answer = await client.post("/accounts/login/", data=form, headers={"Referer": f"{address}/accounts/login/"})
        assert answer.status_code == httpx.codes.FOUND, answer.text


def figure(page: Page, name: str) -> Locator:
    return page.locator(".today li", has_text=name).locator("strong")


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_figures_change_on_an_open_page_when_somebody_logs_in_at_either_app(
    page: Page, database_url: str, cast: Cast
):
    await cast.add("staff", is_staff=True)
    await cast.add("ada")
    await cast.add("bob")

    with (
        server(database_url, "bridge", "serve", "--port", "0") as bridge,
        server(database_url, *DJANGO) as django,
    ):
        await log_in(page, bridge, "staff")
        await page.get_by_role("button", name="Count now").click()
        await expect(page.get_by_text("1 of 3; 2 to go").first).to_be_visible()
        await page.locator("#logins-details summary").click()
        await page.evaluate("window.isTheSamePage = true")
        before = [await figure(page, name).text_content() for name in ("logins today", "upgrades today")]

        async with httpx.AsyncClient(base_url=bridge, timeout=START_SECONDS) as client:
            await client.post("/auth/login", json={"username": "ada", "password": PASSWORD})
        await becomes(page, figure(page, "upgrades today"), "2")
        await log_in_at_django(django, "bob")
        await becomes(page, figure(page, "upgrades today"), "3")

        assert before == ["1", "1"]
        await expect(figure(page, "logins today")).to_have_text("3")
        await expect(page.locator(".answer")).to_contain_text("2 upgraded at logins since.")
        assert await page.evaluate("window.isTheSamePage")
        await expect(page.locator("#logins-details summary")).to_be_focused()
        assert await page.locator("#logins-details").get_attribute("open") is not None
        await by_session_of_the_site(page.context.browser, bridge, django)
        await page.goto("about:blank")  # it asks no more


async def by_session_of_the_site(browser: Browser | None, bridge: str, django: str) -> None:
    """Log in at Django, and see the dashboard of the bridge beside it: cookies are of a host, not of a port."""
    assert browser is not None
    for username, status, heading in (("ada", 403, "Forbidden"), ("staff", 200, "How far the migration is")):
        page = await (await browser.new_context()).new_page()
        await page.goto(f"{django}/accounts/login/")
        await page.get_by_label("Username").fill(username)
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Log in").click()
        await page.wait_for_url(f"{django}/accounts/profile/")
        answer = await page.goto(f"{bridge}/migration/")
        assert answer is not None
        assert answer.status == status
        await expect(page.get_by_role("heading", name=heading)).to_be_visible()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_nothing_stands_in_anybodys_way(page: Page, filled: str, axe: str):
    await page.goto(f"{filled}/migration/")
    await page.evaluate(axe)
    found = {f"login {scheme}": await barriers(page, scheme) for scheme in ("light", "dark")}
    await log_in(page, filled, "staff")
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    await page.evaluate(axe)
    await page.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))")
    found |= {f"dashboard {scheme}": await barriers(page, scheme) for scheme in ("light", "dark")}

    assert found == {name: [] for name in found}
    await page.set_viewport_size({"width": 320, "height": 640})
    assert await page.evaluate("document.documentElement.scrollWidth") == 320
    await page.emulate_media(media="print")
    await page.set_viewport_size({"width": PAPER, "height": 1000})
    assert await page.evaluate("document.documentElement.scrollWidth") == PAPER
    await expect(page.get_by_role("button", name="Log out")).to_be_hidden()
    await page.goto("about:blank")  # it asks no more


async def barriers(page: Page, scheme: Any) -> list[str]:
    """What axe finds, and where."""
    await page.emulate_media(color_scheme=scheme)
    result = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [f"{each['id']} at {each['nodes'][0]['target']}" for each in result["violations"]]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_all_of_it_works_by_keyboard_and_without_a_script(page: Page, filled: str):
    browser = page.context.browser
    assert browser is not None
    await by_keyboard(page, filled)
    await without_script(browser, filled)


async def by_keyboard(page: Page, address: str) -> None:
    await page.goto(f"{address}/migration/")
    await expect(page.get_by_label("Username")).to_be_focused()
    await page.keyboard.type("staff")
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="How far the migration is")).to_be_visible()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("main")).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Count now")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator(".answer")).to_contain_text("just now")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Log out")).to_be_focused()
    assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Log in")).to_be_visible()


async def without_script(browser: Browser, address: str) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await log_in(page, address, "staff")
    await page.get_by_role("button", name="Count now").click()
    await expect(page.locator(".sentence")).to_contain_text("PBKDF2 cannot be dropped yet")
    await expect(page.get_by_text("Load the page again for newer figures.")).to_be_visible()
    await page.locator("#trend-details summary").click()
    await expect(page.get_by_role("table", name="Upgraded passwords by day")).to_be_visible()
    await page.get_by_role("button", name="Log out").click()
    await expect(page.get_by_role("heading", name="Log in")).to_be_visible()
