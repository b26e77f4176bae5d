"""Speech without words: what Whisper, or the voice activity detection before it, has left out."""

from collections.abc import Iterator
from dataclasses import dataclass

from tasks.quality.spans import Span, seconds, union, without
from tasks.quality.transcript import Finding, Segment

MARGIN_S = 0.5
"""How far from a word speech still counts as that word's: the two methods set boundaries differently."""
LEAST_SPEECH_S = 10.0
"""The coverage of a file is judged from so many seconds of speech on."""


@dataclass(frozen=True)
class Coverage:
    """Seconds of speech in a file, and how many of them lie within words."""

    speech_s: float
    covered_s: float

    @property
    def share(self) -> float:
        """The share of the speech that has words; 1 without speech."""
        return self.covered_s / self.speech_s if self.speech_s else 1.0


def coverage(segments: list[Segment], speech: list[Span]) -> Coverage:
    """Return how much of the speech has words. `speech` is that which the second voice activity detection finds."""
    return Coverage(seconds(speech), seconds(speech) - seconds(without(speech, covered(segments))))


def holes(segments: list[Segment], speech: list[Span], *, hole_s: float) -> list[Finding]:
    """Return the stretches of speech without words of `hole_s` seconds and more."""
    return [
        Finding("missing", f"{end - start:.1f} s of speech without text", start, end)
        for start, end in without(speech, covered(segments))
        if end - start >= hole_s
    ]


def low_coverage(found: Coverage, *, least_share: float) -> Iterator[Finding]:
    """Yield that the file lacks the text of much of its speech."""
    if found.share < least_share and found.speech_s >= LEAST_SPEECH_S:
        yield Finding("missing", f"only {found.share:.0%} of the speech has text", grave=True)


def covered(segments: list[Segment]) -> list[Span]:
    """Return when something is said by the text, half a second round each word allowed."""
    return union((span for segment in segments for span in segment.spans()), MARGIN_S)
