"""A transcript as the rules read it, and what they find in it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from tasks.quality.spans import Span

SPACELESS = frozenset({"ja", "zh", "yue", "th", "lo", "km", "my", "bo"})
"""Languages written without spaces between words: a character counts as a word."""

LONGEST_WORD_S = 0.5, 0.1
"""A word that takes longer than the first and the second for each of its characters was stretched over something else:
forced alignment and Whisper's attention give the sound of a passage that the text lacks to the word before it. Normal
speech has 12 to 15 characters a second."""


@dataclass(frozen=True)
class Word:
    """A word with its times in seconds and the aligner's score, both None if nothing has timed it."""

    text: str
    start: float | None = None
    end: float | None = None
    score: float | None = None

    def spoken(self) -> Span | None:
        """Return when it is said, at most as long as it can take; None if that is not known."""
        if self.start is None or self.end is None:
            return None
        least, each = LONGEST_WORD_S
        return self.start, min(self.end, self.start + least + each * len(self.text))


@dataclass(frozen=True)
class Segment:
    """A sentence, or a chunk of speech if the words are not timed."""

    start: float
    end: float
    text: str
    words: tuple[Word, ...]
    avg_logprob: float | None = None

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end - self.start

    def spans(self) -> list[Span]:
        """Return when something of it is said; all of it if no word is timed."""
        return [span for word in self.words if (span := word.spoken())] or [(self.start, self.end)]


Kind = Literal["missing", "invented", "timing", "language", "sound", "speakers"]


@dataclass(frozen=True)
class Finding:
    """Something to doubt: a stretch, in seconds from the start, with what the transcript has there, and why.

    Without times it concerns the whole file, or all that its `speaker` says. `grave`: the file cannot be used as it is.
    """

    kind: Kind
    why: str
    start: float | None = None
    end: float | None = None
    text: str = ""
    grave: bool = False
    speaker: str | None = None
    """Whose channel or track it is in; None if the recording was transcribed in one piece."""

    @property
    def seconds(self) -> float:
        """The length of the stretch; 0 for the whole file."""
        return 0.0 if self.start is None or self.end is None else self.end - self.start

    @property
    def reason(self) -> str:
        """Why, with the speaker."""
        return with_speaker(self.speaker, self.why)

    def moved(self, seconds: float) -> "Finding":
        """Return it so many seconds later."""
        if self.start is None or self.end is None:
            return self
        return replace(self, start=self.start + seconds, end=self.end + seconds)


def with_speaker(speaker: str | None, why: str) -> str:
    """Return a reason with the speaker whom it concerns, if that is known."""
    return f"{speaker}: {why}" if speaker else why


def segments_of(result: dict[str, Any], language: str) -> list[Segment]:
    """Return the segments of WhisperX's result that hold any text, in order of time."""
    found = [
        Segment(
            float(segment["start"]),
            float(segment["end"]),
            segment["text"].strip(),
            tuple(_words(segment, language)),
            segment.get("avg_logprob"),
        )
        for segment in result["segments"]
        if segment["text"].strip()
    ]
    return sorted(found, key=lambda segment: segment.start)


def _words(segment: dict[str, Any], language: str) -> Iterator[Word]:
    if segment.get("words"):
        for word in segment["words"]:
            yield Word(word["word"], word.get("start"), word.get("end"), word.get("score"))
    else:
        text = segment["text"]
        yield from map(Word, (c for c in text if c.isalnum()) if language in SPACELESS else text.split())


def shortened(text: str, characters: int = 80) -> str:
    """Return a text in one line, of at most so many characters."""
    text = " ".join(text.split())
    return text if len(text) <= characters else text[: characters - 1].rstrip() + "…"
