"""A real browser for pages: Chromium, if it is installed, driven by Playwright."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
WAIT_S = 30


def wait_until(page: Page, condition: str) -> None:
    """Wait until an expression is true. Playwright's own way evaluates it in the page, whose policy forbids that."""
    end = time.monotonic() + WAIT_S
    while not page.evaluate(condition):
        assert time.monotonic() < end, condition
        page.wait_for_timeout(20)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium; skips the test where there is none.

    End it with the module: until then Playwright's event loop counts as running in this thread, which Prefect refuses.
    """
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, path: Path, address: str = "") -> Iterator[Page]:
    """Open a file in a window of its own. Errors on the page, and requests that are not for files, fail the test."""
    with browser.new_context(viewport={"width": 1000, "height": 700}) as context:
        page, requests, errors = context.new_page(), list[str](), list[str]()
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("dialog", lambda dialog: errors.append(dialog.message))
        page.goto(path.as_uri() + address)
        yield page
        assert errors == []
        assert [url for url in requests if not url.startswith("file://")] == []
