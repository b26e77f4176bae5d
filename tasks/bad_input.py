"""The error for a batch that is refused as a whole, and helpers for its messages."""

from collections.abc import Iterable
from difflib import get_close_matches


class InvalidInput(ValueError):
    """The inputs or options of a batch are wrong: nothing is run."""


def one_line(text: str) -> str:
    """Return the text with unprintable characters escaped: line breaks, and what a terminal would act on."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def closest(name: str, names: Iterable[str]) -> str:
    """Return a "did you mean" for a misspelt name; empty if none of `names` is similar."""
    found = get_close_matches(name, names, n=1)
    return f"; did you mean {found[0]}?" if found else ""
