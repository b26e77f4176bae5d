"""TextGrid, Praat's annotations: a tier of words, and one of what each speaker says."""

from praatio.utilities.textgrid_io import getTextgridAsStr

from tasks.formats.intervals import SHORTEST_S, Interval, in_a_row, words_of
from tasks.formats.writers import Result


def textgrid(result: Result, duration_s: float) -> bytes:
    """Return tiers from 0 to the end of the audio: words, if there are any, and segments, a tier for each speaker."""
    tiers: dict[str, list[Interval]] = {}
    if any("words" in segment for segment in result["segments"]):
        tiers["words"] = [word for segment in result["segments"] for word in words_of(segment)]
    for segment in result["segments"]:
        interval = segment["start"], segment["end"], segment["text"].strip()
        tiers.setdefault(segment.get("speaker", "segments"), []).append(interval)
    rows = {name: in_a_row(intervals) for name, intervals in (tiers or {"segments": []}).items()}
    span = {"xmin": 0, "xmax": max([duration_s, SHORTEST_S, *(end for row in rows.values() for _, end, _ in row)])}
    classed = [{"class": "IntervalTier", "name": name, "entries": row, **span} for name, row in rows.items()]
    text: str = getTextgridAsStr({"tiers": classed, **span}, "long_textgrid", includeBlankSpaces=True)
    return text.encode()
