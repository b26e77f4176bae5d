"""README.md and docs/: links and anchors lead somewhere, and the options that they name exist."""

import re
from pathlib import Path

import pytest

from flows.cli.options import Command, ModelsCommand
from tasks.formats import ENCODERS

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OTHER_PROGRAMS = {
    *("block", "build", "detach", "extra", "file", "group", "locked", "inexact", "no-default-groups"),
    *(
        "param",
        "start-at",
        "pool",
        "type",
        "watch",
        "print_completion",
        "no-create-pool-if-not-found",
        "python",
        "with-executables-from",
    ),
    *("address", "labels", "shm-size", "user", "dry_run", "older_than", "help", "threads", "rounds"),
    *("collar", "der_collar", "html", "json", "max_difference", "forget"),
}
"""Options of uv, docker, prefect, ray, and of our commands without settings: clean, evaluate, compare, speakers."""


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """To a file of the project, and to a heading in it."""
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_exist(page: Path) -> None:
    """Those that a page names are those of the commands."""
    named = set(re.findall(r"(?<![\w-])--([a-z][\w-]*)", page.read_text()))
    assert named - OTHER_PROGRAMS <= {*Command.model_fields, *ModelsCommand.model_fields}


def test_every_format_is_in_the_table() -> None:
    """With what opens it."""
    rows = re.findall(r"^\|((?: `[\w.]+`)+) \|", (ROOT / "docs" / "formats.md").read_text(), re.MULTILINE)
    assert set(ENCODERS) <= {name for row in rows for name in re.findall(r"\w+", row)}


def test_every_page_is_in_the_readme() -> None:
    """So that it is found."""
    readme = PAGES[0].read_text()
    assert all(f"docs/{page.name}" in readme for page in PAGES[1:])
