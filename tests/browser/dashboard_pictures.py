"""Takes the pictures of the dashboard that the documents show: ``python -m tests.browser.dashboard_pictures [FOLDER]``.

Of a site that is made up, by a real browser from a real service, in light and dark.
"""

import asyncio
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, async_playwright

from bridge.services.clock import system_clock
from bridge.store.database import open_database
from bridge.web.composition import reporting_of, site_profile
from tests.browser.conftest import OPTIONS
from tests.browser.filled import fill
from tests.conftest import CHECKOUT, PASSWORD, Cast, manage
from tests.processes import server

_WIDTH: Final = 1280
_SCALE: Final = 0.8
"""As wide as documents show them, and no larger a file."""
_USERS: Final = 6_000
_IMAGES: Final = CHECKOUT / "docs" / "images"


async def take(folder: Path) -> None:
    """Fill a site, serve it, and take the pictures."""
    with tempfile.TemporaryDirectory() as scratch:
        url = f"sqlite:///{scratch}/site.sqlite3"
        await asyncio.to_thread(manage, url, "migrate", "--verbosity", "0")
        database = await open_database(url)
        await Cast(database).add("olivia.ops", is_staff=True)
        await fill(database, users=_USERS)
        await reporting_of(database, await site_profile(database), system_clock).take_snapshot()
        await database.close()
        serving = ("bridge", "serve", "--port", "0", "--endpoints", "tests.browser.filled:router")
        with server(url, *serving) as address:
            async with async_playwright() as playwright:
                executable = shutil.which("chromium")
                browser = await playwright.chromium.launch(executable_path=executable, args=OPTIONS)
                for scheme in ("light", "dark"):
                    await _picture(browser, address, scheme, folder)
                await browser.close()


async def _picture(browser: Browser, address: str, scheme: str, folder: Path) -> None:
    page = await browser.new_page(
        color_scheme=scheme,  # type: ignore[arg-type]  # one of the two
        viewport={"width": _WIDTH, "height": 800},
        device_scale_factor=_SCALE,
    )
    await page.goto(f"{address}/migration/login")
    await page.get_by_label("Username").fill("olivia.ops")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()
    await page.get_by_text("Live", exact=True).wait_for()
    await page.screenshot(path=folder / f"dashboard-{scheme}.png", full_page=True)
    await page.close()


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else _IMAGES
    target.mkdir(parents=True, exist_ok=True)
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.site.settings"
    asyncio.run(take(target))
