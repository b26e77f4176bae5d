"""The keys under which the ledger has outputs: content and options, how well words are timed, who is named."""

import hashlib
import json

from tasks.people.labels import names_of
from tasks.people.matching import Match

NAMES, PROVISIONAL = "@", "~"


def outputs_key(key: str, matches: list[Match] | None, *, provisional: bool) -> str:
    """Return the key of outputs from that of their content and options; `matches` are their speakers with names.

    `provisional`: a better method to time their words could not be loaded.
    """
    return f"{key}{PROVISIONAL if provisional else ''}{names_mark(matches)}"


def names_mark(matches: list[Match] | None) -> str:
    """Return what stands for these names in the key of outputs; empty if nobody is named."""
    names = names_of(matches)
    return f"{NAMES}{hashlib.sha256(json.dumps(names, sort_keys=True).encode()).hexdigest()[:16]}" if names else ""


def names_in(key: str) -> str:
    """Return what stands for names in the key of outputs."""
    return "".join(key.partition(NAMES)[1:])


def options_key(key: str) -> str:
    """Return what stands for content and options in the key of outputs."""
    return key.partition(NAMES)[0].removesuffix(PROVISIONAL)


def is_provisional(key: str) -> bool:
    """Return whether a better method to time the words of these outputs could not be loaded."""
    return key.partition(NAMES)[0].endswith(PROVISIONAL)
