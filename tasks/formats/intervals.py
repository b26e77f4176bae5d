"""Intervals of tiers in annotation programs: words and segments, which must not overlap."""

from collections.abc import Iterable, Iterator
from typing import Any

Interval = tuple[float, float, str]
"""Start and end in seconds, and the text."""

SHORTEST_S = 0.001
"""Praat and ELAN take no interval without length, and praatio leaves out what is much shorter."""


def words_of(segment: dict[str, Any]) -> Iterator[Interval]:
    """Yield a segment's words; one without times goes with the next that has them, at the end up to the segment's."""
    waiting: list[str] = []
    last = segment["start"]
    for word in segment.get("words") or [{"word": segment["text"].strip()}]:
        waiting.append(word["word"])
        if "start" in word and "end" in word:
            yield word["start"], word["end"], " ".join(waiting)
            waiting, last = [], word["end"]
    if waiting:
        yield last, segment["end"], " ".join(waiting)


def in_a_row(intervals: Iterable[Interval]) -> list[Interval]:
    """Return the intervals without overlaps: one begins no sooner than that before it ends, or joins it for no room."""
    row: list[Interval] = []
    # WhisperX's times may be NumPy's, which praatio would write as np.float64(0.5).
    timed = [(float(start), float(end), text) for start, end, text in intervals]
    for start, end, text in sorted(timed, key=lambda interval: interval[0]):
        begin = max(start, row[-1][1]) if row else start
        if row and end - begin < SHORTEST_S:
            row[-1] = (*row[-1][:2], f"{row[-1][2]} {text}")
        else:
            row.append((begin, max(end, begin + SHORTEST_S), text))
    return row
