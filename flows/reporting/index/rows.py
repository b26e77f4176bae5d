"""What the index says of each file of an output folder, from the ledger."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple
from urllib.parse import quote

from flows.planning.output_paths import common_folder, is_pattern, name_below
from flows.reporting.listening import ORDER, worst_stretches
from flows.state.ledger_rows import Row, Written
from tasks.quality.assessment import Listed
from tasks.quality.verdict import clock

STRETCHES = 200
"""So many stretches are on the listening list of the page, the worst; each file's own page has all of its own."""


class IndexRow(NamedTuple):
    """A file; `page` is a URL relative to the folder, `note` its error or what is in doubt."""

    name: str
    page: str
    state: Literal["done", "failed", "waiting"]
    verdict: str
    language: str
    speakers: int | None
    length_s: float | None
    doubts: int
    note: str


@dataclass(frozen=True)
class IndexStretch:
    """A row of the listening list."""

    file: IndexRow
    clock: str
    page: str
    """The URL of the file's page at this time."""
    verdict: str
    listed: Listed


def rows_of(ledger: dict[str, Row]) -> tuple[list[IndexRow], list[IndexStretch]]:
    """Return the files, those that failed and those in doubt first, and the listening list, the worst first."""
    root = common_folder(list(ledger)) if ledger else "/"
    found = [(_row(name_below(root, path), row, (written := _newest(row))), written) for path, row in ledger.items()]
    checked = [(row, quality) for row, written in found if written and (quality := written.get("quality"))]
    stretches = [
        IndexStretch(
            row,
            "" if each["start"] is None else clock(each["start"]),
            f"{row.page}#t={each['start']}" if row.page and each["start"] is not None else row.page,
            quality["verdict"],
            each,
        )
        for row, quality, each in worst_stretches(checked)[:STRETCHES]
    ]
    return sorted((row for row, _ in found), key=_worst_first), stretches


def _row(name: str, row: Row, written: Written | None) -> IndexRow:
    status = row.get("status", "waiting")
    state: Literal["done", "failed", "waiting"] = "failed" if status == "failed" else "waiting"
    if written and status in {"done", "skipped"}:
        state = "done"
    quality = written.get("quality") if written else None
    reasons = "; ".join(quality["reasons"]) if quality else ""
    return IndexRow(
        name,
        _page(row, written) if written else "",
        state,
        quality["verdict"] if quality else "",
        (written["language"] if written else "") or "",
        written["speakers"] if written else None,
        row.get("duration_s"),
        len(quality["listed"]) if quality else 0,
        (row.get("error") if state == "failed" else None) or reasons,
    )


def _newest(row: Row) -> Written | None:
    """Return the outputs that were written last, those with a page if there are any."""
    newest: list[Written] = list(row.get("written", {}).values())
    return next(iter([each for each in reversed(newest) if _has_page(each)] or newest[::-1]), None)


def _has_page(written: Written) -> bool:
    return "html" in written["outputs"] or "html" in written["changed"]


def _page(row: Row, written: Written) -> str:
    """Return the URL of a file's page, relative to the output folder; empty if it has none."""
    pattern = row.get("pattern")
    if not _has_page(written) or not is_pattern(pattern):
        return ""
    path = pattern.format(language=written["language"] or "und", format="html")
    return quote(path.encode(errors="surrogateescape"))


def pages_of(ledger: dict[str, Row]) -> set[str]:
    """Return where in the output folder files have their pages, or will have them."""
    patterns = [pattern for row in ledger.values() if is_pattern(pattern := row.get("pattern"))]
    return {pattern.format(language="und", format="html") for pattern in patterns}


def _worst_first(row: IndexRow) -> tuple[int, int, str]:
    states = ("failed", "waiting", "done")
    return states.index(row.state), ORDER.index(row.verdict) if row.verdict in ORDER else len(ORDER), row.name


def totals_of(rows: list[IndexRow]) -> Iterator[tuple[str, int]]:
    """Yield how many files have each state and each verdict, those that some have."""
    for word in ("failed", "waiting", "done", *ORDER):
        if count := sum(word in {row.state, row.verdict} for row in rows):
            yield word, count
