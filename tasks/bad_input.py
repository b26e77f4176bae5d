"""What is wrong with a batch as a whole."""

from collections.abc import Iterable
from difflib import get_close_matches


class BadInput(ValueError):
    """The inputs as a whole are wrong: nothing is run."""


def one_line(text: str) -> str:
    """Return the text on one line, with what a terminal would act on, or cannot show, written out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def closest(name: str, names: Iterable[str]) -> str:
    """Return the question whether another of these names is meant, or nothing if none is like it."""
    found = get_close_matches(name, names, n=1)
    return f"; did you mean {found[0]}?" if found else ""
