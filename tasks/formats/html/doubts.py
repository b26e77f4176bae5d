"""Pieces of text that are played from their times, and what the check doubts in them."""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tasks.formats.ctm import timed_words
from tasks.quality.transcript import Finding
from tasks.quality.verdict import clock


@dataclass(frozen=True)
class Doubt:
    """A finding of the check, with the number by which the page refers to it."""

    number: int
    finding: Finding

    @property
    def clock(self) -> str:
        """When it begins; empty if it concerns the whole file."""
        return "" if self.finding.start is None else clock(self.finding.start)


@dataclass
class Piece:
    """A word with its times in seconds, and the text before it that is not its own: mostly a space."""

    before: str
    text: str
    start: float
    end: float
    speaker: str | None = None
    doubts: tuple[Doubt, ...] = ()
    """Those of its text."""
    gaps: list[Doubt] = field(default_factory=list)
    """Those before it that have no text: speech that was left out, or a fault of the sound."""


def pieces_of(segment: dict[str, Any], space: str) -> Iterator[Piece]:
    """Yield the words of a segment, which together have all of its text; `space` stands before the segment."""
    text, position = f"{space}{segment['text'].strip()}", 0
    end, speaker = round(float(segment["end"]), 2), segment.get("speaker")
    for word in timed_words(segment):
        found = text.find(word.text, position)
        if found >= 0:
            start, stop = round(float(word.start), 2), round(float(word.end), 2)
            yield Piece(text[position:found], word.text, start, stop, speaker)
            position = found + len(word.text)
    if position < len(text):
        yield Piece(text[position:], "", end, end, speaker)


def mark(pieces: list[Piece], doubts: list[Doubt]) -> None:
    """Note each doubt at the pieces whose time it shares; one without text, before the first piece after it.

    Where several speak at once, one of a speaker is noted at that speaker's pieces alone.
    """
    timed = sorted(pieces, key=lambda piece: piece.start)
    longest = max((piece.end - piece.start for piece in timed), default=0.0)
    for doubt in doubts:
        start, end = doubt.finding.start, doubt.finding.end
        if start is None or end is None:
            continue
        first = bisect_left(timed, start - longest, key=lambda piece: piece.start)
        last = bisect_left(timed, end, key=lambda piece: piece.start)
        shared = [piece for piece in timed[first:last] if piece.end > start] if doubt.finding.text else []
        own = [piece for piece in shared if doubt.finding.speaker in (None, piece.speaker)]
        shared = own or shared  # of a channel with several speakers nobody may have its name
        for piece in shared:
            piece.doubts += (doubt,)
        if not shared and timed:
            after = bisect_left(timed, start, key=lambda piece: piece.start)
            timed[min(after, len(timed) - 1)].gaps.append(doubt)
