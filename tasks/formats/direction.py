"""Right-to-left text: Arabic, Hebrew, Persian, Urdu, Yiddish and other scripts that run that way."""

from unicodedata import bidirectional

EMBED, END = "\N{RIGHT-TO-LEFT EMBEDDING}", "\N{POP DIRECTIONAL FORMATTING}"


def is_right_to_left(text: str) -> bool:
    """Return whether most letters of a text are written from right to left.

    The text decides, not the language: a translation has the language of its original.
    """
    directions = [bidirectional(character) for character in text]
    return sum(each in {"R", "AL"} for each in directions) > directions.count("L")


def embedded(text: str) -> str:
    """Return text for a place whose direction is left to right, with marks around each line that goes the other way.

    Without them its full stop would stand at its beginning.
    """
    return "\n".join(f"{EMBED}{line}{END}" if is_right_to_left(line) else line for line in text.split("\n"))
