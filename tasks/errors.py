"""Errors of an input or of a batch, what an error says about a later try, and helpers for messages."""

import errno
from collections.abc import Iterable
from difflib import get_close_matches
from unicodedata import category

JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
LASTING_ERRNOS = frozenset(
    {
        errno.EACCES,
        errno.EDQUOT,
        errno.EISDIR,
        errno.ENAMETOOLONG,
        errno.ENOENT,
        errno.ENOSPC,
        errno.ENOTDIR,
        errno.EPERM,
        errno.EROFS,
    }
)
LASTING_ERRORS = (ValueError, TypeError, LookupError, AttributeError, NotImplementedError, AssertionError)
"""What a program raises for values that will be the same the next time."""


class InvalidInput(ValueError):
    """The inputs or options of a batch are wrong: nothing is run."""


class FileFault(Exception):
    """An error caused by the input or its storage; shown to the user without a traceback."""

    passing = False
    """Another try may succeed."""
    lasting = False
    """Caused by the file's content: every later run fails in the same way until the file changes."""


def message_of(error: Exception) -> str:
    """Return the message of the operating system, the store or FFmpeg, without errno and file name."""
    return getattr(error, "strerror", None) or str(error)


def describe(error: BaseException) -> str:
    """Return an exception's type and message."""
    return f"{type(error).__name__}: {error}"


def will_last(error: BaseException) -> bool:
    """Return whether a later run would fail in the same way: the cause is the content, not the environment."""
    if isinstance(error, FileFault):
        return error.lasting
    return isinstance(error, LASTING_ERRORS)


def one_line(text: str) -> str:
    """Return the text with unprintable characters escaped: line breaks, and what a terminal would act on."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def one_name(text: str) -> str:
    """Return a name in one line: with plain spaces for others, else as `one_line`.

    Joiners stay: many Persian and Sinhala names, and some emoji, are spelled with them.
    """
    return "".join(" " if category(c) == "Zs" else c if c in JOINERS else one_line(c) for c in text)


def closest(name: str, names: Iterable[str]) -> str:
    """Return a "did you mean" for a misspelt name; empty if none of `names` is similar."""
    found = get_close_matches(name, names, n=1)
    return f"; did you mean {found[0]}?" if found else ""
