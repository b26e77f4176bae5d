"""What a transcript or a reference says of one recording."""

from dataclasses import dataclass
from typing import NamedTuple


class Segment(NamedTuple):
    """What one speaker says at one time; times in seconds, None where the file has none."""

    text: str
    start: float | None = None
    end: float | None = None
    speaker: str | None = None


class Turn(NamedTuple):
    """When one speaker speaks, in seconds."""

    start: float
    end: float
    speaker: str


@dataclass(frozen=True)
class Recording:
    """Segments, by their start where they have times, and turns; None if no file has said them."""

    segments: tuple[Segment, ...] | None = None
    turns: tuple[Turn, ...] | None = None
    language: str | None = None

    @property
    def has_speakers(self) -> bool:
        """Whether segments are labelled with speakers."""
        return any(segment.speaker for segment in self.segments or ())

    @property
    def is_timed(self) -> bool:
        """Whether all segments have times."""
        return all(segment.start is not None and segment.end is not None for segment in self.segments or ())

    def speaker_turns(self) -> tuple[Turn, ...] | None:
        """Return the turns, else those that the segments make; None if the speakers or the times are not known."""
        if self.turns is not None or not self.has_speakers or not self.is_timed:
            return self.turns
        return tuple(
            Turn(segment.start, segment.end, segment.speaker)
            for segment in self.segments or ()
            if segment.start is not None and segment.end is not None and segment.speaker
        )


def in_order(segments: list[Segment]) -> tuple[Segment, ...]:
    """Return segments by their start; those without times stay in the order in which they are."""
    return tuple(sorted(segments, key=lambda segment: segment.start or 0.0))
