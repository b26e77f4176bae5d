"""The stretches of a file that are decoded again: what the check doubts, with the whole segments that it touches."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tasks.quality.invention import REPETITIVE
from tasks.quality.spans import Span, seconds, union, within
from tasks.quality.transcript import Finding, Kind, Segment
from tasks.quality.verdict import WRONG_TEXT, Decoded

MOST, MOST_S = 20, 600.0
"""At most so many stretches of a file, and seconds of them in all, are decoded again: the longest first."""
MARGIN_S = 0.5
"""How far into the silence around it a stretch reaches; the check allows words the same margin."""
LEAST_OVERLAP_S = 0.1
"""Segments that a stretch touches for less time stay as they are."""


@dataclass
class Stretch:
    """A part of a file, in seconds: what is in doubt there, and what was decoded of it once more."""

    start: float
    end: float
    kinds: list[Kind]
    doubts: list[str]
    words_stand: bool = False
    """Only missing or repeated text is in doubt, not the other words that the stretch has."""
    decoded: list[Decoded] = field(default_factory=list)
    left: str | None = None
    """Why it was not decoded again, if it was not."""

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end - self.start

    def touches(self, start: float, end: float) -> bool:
        """Return whether a segment with these times is replaced with the text of the stretch."""
        return min(end, self.end) - max(start, self.start) >= LEAST_OVERLAP_S


def doubts_of(findings: Iterable[Finding]) -> list[tuple[Span, Finding]]:
    """Return what may be decoded again: stretches whose text is missing, invented or in another language."""
    return [
        ((each.start, each.end), each)
        for each in findings
        if each.kind in WRONG_TEXT and each.start is not None and each.end is not None
    ]


def stretches_of(findings: Iterable[Finding], segments: list[Segment], audio_s: float) -> list[Stretch]:
    """Return the stretches in doubt, in order of time; none touches another, or cuts a segment in two."""
    doubts = doubts_of(findings)
    spans = union(span for span, _ in doubts)
    while (whole := union([*spans, *_touched(spans, segments)])) != spans:
        spans = whole
    found: list[Stretch] = []
    for number, (start, end) in enumerate(spans):
        inside = [each for span, each in doubts if span[0] < end and span[1] > start]
        earlier = [each.end for each in segments if each.end < start + LEAST_OVERLAP_S]
        earlier += [each.end for each in found[-1:]]
        later = [each.start for each in segments if each.start > end - LEAST_OVERLAP_S]
        later += [each for each, _ in spans[number + 1 : number + 2]]
        first = max([0.0, start - MARGIN_S, *earlier])
        last = min([audio_s, end + MARGIN_S, *later])
        kinds = sorted({each.kind for each in inside})
        words_stand = all(each.kind == "missing" or each.why.startswith(REPETITIVE) for each in inside)
        doubted = [each.why for each in inside]
        found.append(Stretch(min(start, first), min(max(end, last), audio_s), kinds, doubted, words_stand))
    return found


def _touched(spans: list[Span], segments: list[Segment]) -> Iterator[Span]:
    """Yield the times of the segments that the spans touch."""
    for segment in segments:
        if seconds(within(spans, segment.start, segment.end)) >= LEAST_OVERLAP_S:
            yield segment.start, segment.end


def leave_excess(stretches: Iterable[Stretch]) -> None:
    """Leave out what exceeds the bounds of a file, of which these are all stretches."""
    number, total_s = 0, 0.0
    for stretch in sorted(stretches, key=lambda each: -each.seconds):
        if number == MOST or total_s + stretch.seconds > MOST_S:
            stretch.left = f"not decoded again: more than {MOST} stretches or {MOST_S:.0f} s of this file are in doubt"
        else:
            number, total_s = number + 1, total_s + stretch.seconds
