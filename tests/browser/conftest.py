"""One running site and one Chromium for all browser tests of a worker."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

from tests.browser.site import CHROMIUM, RunningSite, running_site

expect.set_options(timeout=60_000)  # a wait ends when the thing is there; a slow machine is no failure


@pytest.fixture(scope="session")
def site() -> Iterator[RunningSite]:
    with running_site() as running:
        yield running


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("There is no Chromium on this machine. Install it: apt install chromium")
    with sync_playwright() as playwright:
        # Chromium's own sandbox refuses to run as root, and a CI machine is root; pages here are ours.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def context(chromium: Browser, site: RunningSite) -> Iterator[BrowserContext]:
    context = chromium.new_context(base_url=site.address, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(15_000)
    yield context
    context.close()
