"""The rows of a manifest, from its text: CSV, or JSON Lines."""

import csv
import json
import re
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

from tasks.errors import closest

PATH = "path"
"""The column that each manifest has."""
Row = dict[str, Any]


def rows_of(name: str, text: str, columns: list[str], wrong: Callable[[int, str], None]) -> Iterator[tuple[int, Row]]:
    """Yield the line and the cells of each row, without empty ones in CSV. After errors it goes on.

    `wrong` is called with each error and its line. The name of the manifest says which format it has; `columns` are
    those that CSV may have.
    """
    if name.lower().endswith((".jsonl", ".ndjson", ".json")):
        return _json_lines(text, wrong)
    return _csv(text, columns, wrong)


def _json_lines(text: str, wrong: Callable[[int, str], None]) -> Iterator[tuple[int, Row]]:
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        try:
            row = json.loads(content)
        except (ValueError, RecursionError) as error:
            wrong(line, f"not JSON: {error}")
            continue
        if isinstance(row, dict):
            yield line, row
        else:
            wrong(line, "not a JSON object")


def _csv(text: str, columns: list[str], wrong: Callable[[int, str], None]) -> Iterator[tuple[int, Row]]:
    rows = csv.reader(StringIO(text, newline=""), dialect=_dialect(text), strict=True)
    try:
        header = _without_empty_end([name.strip() for name in next(rows, [])])
        unknown = [name for name in header if name not in columns]
        if PATH not in header or unknown or len(set(header)) < len(header):
            what = f"it must name the column {PATH}, and each once"
            if unknown:
                what = f"unknown column {', '.join(unknown)}{closest(unknown[0], columns)}"
            wrong(1, f"{what}; the columns are {', '.join(columns)}")
            return
        for cells in map(_without_empty_end, rows):
            if cells:
                if len(cells) > len(header):
                    wrong(rows.line_num, f"{len(cells)} cells under {len(header)} columns")
                yield rows.line_num, {k: v for k, v in zip(header, cells, strict=False) if v.strip()}
    except csv.Error as error:
        wrong(rows.line_num, str(error))


def _without_empty_end(cells: list[str]) -> list[str]:
    """Return the cells up to the last that is not empty: spreadsheets also save columns that were merely formatted."""
    filled = [number for number, cell in enumerate(cells, start=1) if cell.strip()]
    return cells[: filled[-1]] if filled else []


def _dialect(text: str) -> type[csv.Dialect]:
    """Return how the cells are separated, as the first line shows: some spreadsheets write semicolons or tabs."""

    class Dialect(csv.excel):
        header = re.split("[\r\n]", text, maxsplit=1)[0]
        delimiter = max(",;\t", key=header.count)

    return Dialect
