"""flows/reporting/index: the index of an output folder, in a real browser."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import chromium, opened, wait_until
from playwright.sync_api import Browser, Page

from flows.reporting.index.page import write_index
from flows.state.ledger import FOLDER, Ledger
from flows.state.ledger_rows import Row, Written
from tasks.quality.assessment import Assessment, Listed
from tasks.storage.io import read

ODD = "50% #1? <script>alert(1)</script> 'a' \"b\" &é"
FILES = 10_000


def checked(verdict: str, *listed: Listed) -> Assessment:
    """Return what the ledger keeps of a check."""
    reasons = [each["why"] for each in listed]
    return Assessment(verdict=verdict, reasons=reasons, speech_s=9.0, covered_s=9.0, listed=list(listed), key="k")


def missing(start: float, seconds: float) -> Listed:
    """Return a stretch without text."""
    return Listed(kind="missing", why=f"{seconds} s without text", start=start, end=start + seconds, text="")


def note(ledger: Ledger, name: str, quality: Assessment | None = None, *, page: bool = True, **row: Any) -> None:
    """Note a file as a run does."""
    written = Written(
        language="en",
        speakers=2,
        aligned_by=None,
        note=None,
        quality=quality,
        outputs={"html" if page else "srt": (1, 1)},
        changed={},
    )
    done = Row(status="done", duration_s=60.0, pattern=f"{name}.{{format}}", written={"key": written})
    ledger.note(f"/calls/{name}.wav", **(done | row))


def ledger_in(folder: Path) -> Ledger:
    """Return the ledger of an output folder."""
    return Ledger(folder / FOLDER, str(folder))


def small(folder: Path) -> Ledger:
    """Return a ledger with a file of each kind."""
    ledger = ledger_in(folder)
    note(ledger, "call 10", checked("good"), duration_s=3725.0)
    note(ledger, "call 9", checked("check", missing(83.2, 3.0)), duration_s=60.0)
    note(ledger, ODD, checked("bad", missing(5.0, 2.0), missing(40.0, 9.0)))
    note(ledger, "old", page=False)
    ledger.note("/calls/broken.wav", status="failed", error="no audio track", pattern="broken.{format}")
    ledger.note("/calls/later.wav", status="waiting", error=None, pattern="later.{format}")
    return ledger


@pytest.fixture(scope="module", name="browser")
def _browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(name="page")
def _page(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    location = write_index(small(tmp_path), str(tmp_path))
    with opened(browser, Path(location)) as page:
        yield page


def cells(page: Page, column: str) -> list[str]:
    """Return the texts of a column, as they are shown."""
    columns = ["file", "state", "verdict", "language", "speakers", "length", "doubts", "note"]
    return page.locator(f"#files tbody tr:not(.space) td:nth-child({columns.index(column) + 1})").all_text_contents()


def test_every_file_is_there_and_the_worst_come_first(page: Page) -> None:
    """Those that failed, that wait, in doubt, good, and never checked."""
    assert cells(page, "file") == [
        *("broken.wav", "later.wav", f"{ODD}.wav", "call 9.wav", "call 10.wav", "old.wav"),
    ]
    assert cells(page, "state") == ["failed", "waiting", "done", "done", "done", "done"]
    assert cells(page, "verdict") == ["", "", "bad", "check", "good", ""]
    assert cells(page, "length") == ["", "", "0:01:00", "0:01:00", "1:02:05", "0:01:00"]
    assert cells(page, "note")[0] == "no audio track"
    totals = ["1 failed", "1 waiting", "4 done", "1 bad", "1 check", "1 good"]
    assert page.locator("#bar button").all_text_contents() == totals


def test_the_listening_list_leads_to_the_times(page: Page, tmp_path: Path) -> None:
    """The worst first; the names of files are encoded in links, and shown as they are."""
    rows = page.locator("#stretches tbody tr").evaluate_all(
        "rows => rows.map((row) => [...row.cells].map((cell) => cell.textContent).slice(0, 3))"
    )
    assert rows == [
        [f"{ODD}.wav", "0:00:40", "bad"],
        [f"{ODD}.wav", "0:00:05", "bad"],
        ["call 9.wav", "0:01:23", "check"],
    ]
    link = page.locator("#stretches a").first.evaluate("link => link.href")
    assert link == f"{(tmp_path / f'{ODD}.html').as_uri()}#t=40.0".replace("'", "%27")
    assert page.locator("#files a").count() == 3  # none to files that have no page


def test_headings_sort_and_words_select(page: Page) -> None:
    """Numbers in names by their value; a second click turns the order; a button selects what it counts."""
    page.get_by_role("button", name="file", exact=True).click()
    assert [name for name in cells(page, "file") if name.startswith("call")] == ["call 9.wav", "call 10.wav"]
    page.get_by_role("button", name="length", exact=True).click()
    page.get_by_role("button", name="length", exact=True).click()
    assert cells(page, "length")[0] == "1:02:05"
    assert page.locator("th.length").get_attribute("aria-sort") == "descending"
    page.locator("#search").fill("WAV audio")
    assert cells(page, "file") == ["broken.wav"]
    assert page.locator("#shown").text_content() == "1 of 6"
    page.locator("[data-word=check]").click()
    assert cells(page, "file") == ["call 9.wav"]
    page.locator("[data-word=check]").click()
    assert len(cells(page, "file")) == 6


def test_ten_thousand_files_open_at_once(browser: Browser, tmp_path: Path) -> None:
    """Only those in sight are elements; the last is reached, found, and printed."""
    ledger = ledger_in(tmp_path)
    for number in range(FILES):
        verdict = "check" if number % 10 == 0 else "good"
        note(ledger, f"2026-{number % 12 + 1:02}/call {number:05}", checked(verdict, missing(1.0, 2.0)))
    location = Path(write_index(ledger, str(tmp_path)))
    assert location.stat().st_size < 200 * FILES
    began = time.monotonic()
    with opened(browser, location) as page:
        assert len(cells(page, "file")) < 100
        assert time.monotonic() - began < 10  # 0.4 s on two idle cores
        assert page.locator("#stretches tbody tr").count() == 200
        page.locator("#files").evaluate("files => files.scrollTop = files.scrollHeight")
        wait_until(page, "document.querySelector('#files').textContent.includes('2026-12/call 09995')")
        assert len(cells(page, "file")) < 100
        page.locator("#search").fill("call 01234")
        assert cells(page, "file") == ["2026-11/call 01234.wav"]
        page.locator("#search").fill("2026-11")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert len(cells(page, "file")) == FILES // 12


def test_a_page_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    """Such as that of a recording named index; ours is replaced."""
    ledger = small(tmp_path)
    theirs = tmp_path / "index.html"
    theirs.write_text("<h1>Home</h1>")
    for _ in range(2):
        assert write_index(ledger, str(tmp_path)) == str(tmp_path / "index-of-transcripts.html")
    assert theirs.read_text() == "<h1>Home</h1>"
    theirs.unlink()
    for _ in range(2):
        assert write_index(ledger, str(tmp_path)) == str(theirs)
    for name in ("index.html", "index-of-transcripts.html"):
        (tmp_path / name).write_text("")
    with pytest.raises(FileExistsError, match="move it away"):
        write_index(ledger, str(tmp_path))


def test_the_name_of_a_page_that_is_still_to_come_is_left_free(tmp_path: Path) -> None:
    """Or a recording named index, left for the next night, would find ours in its place and fail."""
    ledger = small(tmp_path)
    ledger.note("/calls/index.wav", status="waiting", error=None, pattern="index.{format}")
    assert write_index(ledger, str(tmp_path)) == str(tmp_path / "index-of-transcripts.html")


def test_an_index_in_a_store_is_replaced(bucket: str, tmp_path: Path) -> None:
    """Its links are relative, so that they lead to the pages beside it wherever the store is served."""
    for count in (1, 2):
        ledger = Ledger(tmp_path, bucket)
        for number in range(count):
            note(ledger, f"call {number}", checked("good"))
        assert write_index(ledger, bucket) == f"{bucket}/index.html"
        assert b'"call 0.wav","call%200.html"' in (page := read(f"{bucket}/index.html"))
        assert (b"call%201.html" in page) == (count == 2)


def test_rows_that_make_no_sense_cost_nothing_but_their_links(tmp_path: Path) -> None:
    """Names that are no Unicode, as file systems have them; a pattern that somebody has put into the ledger."""
    ledger = ledger_in(tmp_path)
    note(ledger, "caf\udce9")
    note(ledger, "odd", pattern="{format.__class__}")
    page = Path(write_index(ledger, str(tmp_path))).read_text()
    assert '["caf?.wav","caf%E9.html","done"' in page
    assert '["odd.wav","","done"' in page


def test_a_folder_without_files_has_an_index(tmp_path: Path) -> None:
    """Of none."""
    assert "0 files" in Path(write_index(ledger_in(tmp_path), str(tmp_path))).read_text()
