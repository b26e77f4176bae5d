"""Cues: the texts of subtitles with their times, from which each format is made."""

from dataclasses import dataclass
from math import inf

from tasks.formats.subtitles.tokens import columns


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
    """Return the label that WhisperX writes before a cue; a name is cut to make it `longest` columns wide at most."""
    if speaker is None:
        return ""
    label, kept = f"[{speaker}]: ", len(speaker)
    while columns(label) > longest and kept > 1:
        kept -= 1
        label = f"[{speaker[:kept]}…]: "
    return label
