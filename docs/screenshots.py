"""Takes the pictures of pages in docs/: `python docs/screenshots.py PAGE PICTURE.png [WIDTHxHEIGHT] [--dark]`.

PAGE is a file or a URL. It needs Chromium (Debian: apt-get install chromium).
"""

import argparse
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
SETTLE_MS = 1500
"""For a page that goes on loading after its first view, as Prefect's does."""


def take(address: str, picture: str, width: int, height: int, *, dark: bool) -> None:
    """Write a picture of the page at a URL, in a window of this size in pixels."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        sys.exit("screenshots: Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light")
        page.goto(address, wait_until="networkidle")
        page.wait_for_timeout(SETTLE_MS)
        page.screenshot(path=picture)
        browser.close()


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Take a picture of a page.")
    parser.add_argument("page", help="a file or a URL")
    parser.add_argument("picture", help="the PNG file to write")
    parser.add_argument("size", nargs="?", default="1000x700", help="of the window, in pixels (default: 1000x700)")
    parser.add_argument("--dark", action="store_true", help="in dark colours")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    file, _, place = options.page.partition("#")
    address = options.page if "://" in file else Path(file).absolute().as_uri() + (f"#{place}" if place else "")
    take(address, options.picture, width, height, dark=options.dark)


if __name__ == "__main__":
    main()
