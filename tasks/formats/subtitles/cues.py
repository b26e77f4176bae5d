"""Cues: the texts of subtitles with their times, from which each format is made."""

from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, slots=True)
class Cue:
    """A text and when it is shown, in milliseconds; the words of one speaker."""

    start: int
    end: int
    text: str
    """Lines, in WhisperX's cues with a space before the newline; a spoken word may be between `<u>` and `</u>`."""
    speaker: str | None = None
    label: str = ""
    """Text to put in front, in formats that have no other way to name the speaker."""

    @property
    def labelled(self) -> str:
        """The text with its label."""
        return f"{self.label}{self.text}"

    @property
    def lines(self) -> list[str]:
        """The lines of the text."""
        return self.text.replace(" \n", "\n").split("\n")


def label_of(speaker: str | None, longest: float = inf) -> str:
    """Return the label that WhisperX writes before a cue; a name is cut where it would make that too long."""
    if speaker is None:
        return ""
    room = max(longest - len("[]: "), 1)
    return f"[{speaker if len(speaker) <= room else speaker[: int(room) - 1] + '…'}]: "
