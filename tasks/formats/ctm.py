"""CTM, NIST's time-marked words: a line for each word, without speakers, as sclite and others read it."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from tasks.formats.rttm import recording_id
from tasks.formats.writers import Result


class TimedWord(NamedTuple):
    """A word without white space, its times in seconds, and the aligner's score from 0 to 1, if there is one."""

    start: float
    end: float
    text: str
    score: float | None = None


def ctm(result: Result, title: str) -> bytes:
    """Return a line for each word, by time: recording, channel, start, duration, word, and the score if there is one.

    The format: https://www.nist.gov/system/files/documents/2021/08/03/OpenASR20_EvalPlan_v1_5.pdf
    """
    words = [word for segment in result["segments"] for word in timed_words(segment)]
    lines = []
    for start, end, text, score in sorted(words, key=lambda word: word.start):
        confidence = "" if score is None else f" {score:.3f}"
        lines.append(f"{recording_id(title)} 1 {start:.3f} {max(end - start, 0):.3f} {text}{confidence}\n")
    return "".join(lines).encode()


def timed_words(segment: dict[str, Any]) -> Iterator[TimedWord]:
    """Yield a segment's words. Those without times share the gap that they are in: WhisperX does not time numbers."""
    untimed: list[str] = []
    last = segment["start"]
    for word in segment.get("words") or [{"word": segment["text"]}]:
        pieces = word["word"].split()
        if "start" in word and "end" in word:
            yield from _shared(untimed, last, word["start"])
            yield from _shared(pieces, word["start"], word["end"], word.get("score"))
            untimed, last = [], word["end"]
        else:
            untimed += pieces
    yield from _shared(untimed, last, segment["end"])


def _shared(texts: list[str], start: float, end: float, score: float | None = None) -> Iterator[TimedWord]:
    """Yield words that have equal parts of the time from start to end, or none if it ends before it starts."""
    length = max(end - start, 0) / max(len(texts), 1)
    for i, text in enumerate(texts):
        yield TimedWord(start + i * length, start + (i + 1) * length, text, score)
