"""TextGrid, Praat's annotations: a tier of words, and one of what each speaker says."""

from collections.abc import Iterable, Iterator
from typing import Any

from praatio.utilities.textgrid_io import getTextgridAsStr

from tasks.formats.writers import Result

Interval = tuple[float, float, str]
"""Start and end in seconds, and the text."""

SHORTEST_S = 0.001
"""Praat takes no interval without length, and praatio leaves out what is much shorter."""


def textgrid(result: Result, duration_s: float) -> bytes:
    """Return tiers from 0 to the end of the audio: words, if there are any, and segments, a tier for each speaker."""
    tiers: dict[str, list[Interval]] = {}
    if any("words" in segment for segment in result["segments"]):
        tiers["words"] = [word for segment in result["segments"] for word in _words(segment)]
    for segment in result["segments"]:
        interval = segment["start"], segment["end"], segment["text"].strip()
        tiers.setdefault(segment.get("speaker", "segments"), []).append(interval)
    rows = {name: _in_a_row(intervals) for name, intervals in (tiers or {"segments": []}).items()}
    span = {"xmin": 0, "xmax": max([duration_s, SHORTEST_S, *(end for row in rows.values() for _, end, _ in row)])}
    classed = [{"class": "IntervalTier", "name": name, "entries": row, **span} for name, row in rows.items()]
    text: str = getTextgridAsStr({"tiers": classed, **span}, "long_textgrid", includeBlankSpaces=True)
    return text.encode()


def _words(segment: dict[str, Any]) -> Iterator[Interval]:
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


def _in_a_row(intervals: Iterable[Interval]) -> list[Interval]:
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
