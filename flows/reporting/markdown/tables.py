"""Tables and links in Markdown."""

from collections.abc import Iterable
from typing import Any, Literal
from uuid import UUID

LONGEST = 40
"""Characters of a file's name in a table: Prefect's UI does not wrap them, and a page may be 1,100 pixels wide."""


class Link(str):
    """Markdown that is put into a cell as it is."""

    __slots__ = ()


def table(head: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> list[str]:
    """Return the lines of a table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return ["", *("| " + " | ".join(_shown(each) for each in line) + " |" for line in lines), ""]


def _shown(content: Any) -> str:
    return content if isinstance(content, Link) else cell(str(content))


def link(text: str, kind: Literal["flow-run", "task-run"], run: UUID | None) -> Link:
    """Return the text as a link to the page of a run in Prefect's UI, if it is known which.

    Relative to the pages that show artifacts: the UI may be either of Prefect's two, and not at the server's root.
    """
    return Link(f"[{cell(text)}](../../runs/{kind}/{run})" if run else cell(text))


def shortened(name: str) -> str:
    """Return a name without its middle if it is too long for a table."""
    half = LONGEST // 2
    return name if len(name) <= LONGEST else f"{name[:half]}…{name[1 - half :]}"


def cell(text: str) -> str:
    """Return the text escaped for a cell: file names may hold Markdown."""
    for special in "\\|`<>[]*_":
        text = text.replace(special, f"\\{special}")
    return text
