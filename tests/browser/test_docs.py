"""/docs as a developer uses it, in a real browser."""

from playwright.async_api import Page, expect

from tests.conftest import PASSWORD, Cast
from tests.processes import server


async def test_authorize_takes_a_users_password_and_opens_a_protected_endpoint(
    page: Page, database_url: str, cast: Cast
):
    await cast.add("ada")

    with server(database_url, "bridge", "serve", "--port", "0") as address:
        await page.goto(f"{address}/docs")
        await page.get_by_role("button", name="Authorize").first.click()
        await page.get_by_role("textbox", name="username").fill("ada")
        await page.get_by_role("textbox", name="password").fill(PASSWORD)
        by_password = page.locator(".auth-container", has=page.get_by_role("textbox", name="username"))
        await by_password.locator("button.authorize").click()
        await page.get_by_role("button", name="Close").last.click()

        operation = page.locator("#operations-users-show_me_users_me__get")
        await operation.click()
        await operation.get_by_role("button", name="Try it out").click()
        await operation.get_by_role("button", name="Execute").click()

        await expect(operation.locator(".live-responses-table")).to_contain_text('"username": "ada"')
