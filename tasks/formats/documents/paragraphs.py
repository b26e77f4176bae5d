"""A transcript to be read: paragraphs, each with its time and its speaker."""

from dataclasses import dataclass
from typing import Any

from whisperx.utils import LANGUAGES

from tasks.formats.writers import WITHOUT_SPACES, Result, as_written

PAUSE_S = 2.0
"""A silence after which a new paragraph begins."""
LONGEST_S = 60.0
"""A paragraph ends with the segment before this, so that a place in the audio is found by the times."""


@dataclass(frozen=True)
class Paragraph:
    """What one speaker says without a long pause."""

    start: float
    end: float
    speaker: str | None
    text: str
    segments: tuple[dict[str, Any], ...]
    """WhisperX's, whose texts it joins."""

    @property
    def heading(self) -> str:
        """When it begins, and who speaks."""
        seconds = int(self.start)
        clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        return f"{clock} {self.speaker}:" if self.speaker else clock


def paragraphs(result: Result) -> list[Paragraph]:
    """Return the paragraphs of a transcript, which leave out no text."""
    space = space_in(result)
    found: list[Paragraph] = []
    for segment in result["segments"]:
        start, end, text, speaker = segment["start"], segment["end"], segment["text"].strip(), segment.get("speaker")
        last = found[-1] if found else None
        if last and speaker == last.speaker and start - last.end < PAUSE_S and end - last.start < LONGEST_S:
            joined = f"{last.text}{space}{text}"
            found[-1] = Paragraph(last.start, end, speaker, joined, (*last.segments, segment))
        elif text:
            found.append(Paragraph(start, end, speaker, text, (segment,)))
    return found


def space_in(result: Result) -> str:
    """Return what stands between the words of a transcript: nothing in Japanese and Chinese, say."""
    return "" if as_written(result)["language"] in WITHOUT_SPACES else " "


def language_line(code: str) -> str:
    """Return the language as a reader knows it."""
    return f"Language: {LANGUAGES.get(code, code).title()} ({code})"
