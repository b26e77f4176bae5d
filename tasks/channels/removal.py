"""Removing words from a result."""

from collections.abc import Iterator
from typing import Any

Result = dict[str, Any]
"""WhisperX's result: `segments`, and `word_segments` if its words are timed."""


def without_words(result: Result, removed: set[tuple[int, int]]) -> Result:
    """Return a result without some of its words, given as the numbers of their segments and theirs in these, from 0.

    Of segments without timed words all words are given, or none. Segments left without words are removed.
    """
    if not removed:
        return result
    segments = []
    for number, segment in enumerate(result["segments"]):
        words = segment.get("words") or segment["text"].split()
        kept = [position for position in range(len(words)) if (number, position) not in removed]
        if len(kept) == len(words):
            segments.append(segment)
        elif kept:
            segments.append(shortened(segment, kept))
    left = {"segments": segments}
    if "word_segments" in result:
        left["word_segments"] = [word for each in segments for word in each["words"]]
    return {**result, **left}


def shortened(segment: dict[str, Any], kept: list[int]) -> dict[str, Any]:
    """Return a segment with some of its words alone."""
    words, text = [segment["words"][position] for position in kept], segment["text"]
    begins = [*_begins(segment), len(text) + 1]  # the characters of a sentence have the one after it too
    pieces = [slice(begins[position], begins[position + 1]) for position in kept]
    chars = {"chars": [char for piece in pieces for char in segment["chars"][piece]]} if segment.get("chars") else {}
    return {
        **segment,
        "start": next((word["start"] for word in words if "start" in word), segment["start"]),
        "end": next((word["end"] for word in reversed(words) if "end" in word), segment["end"]),
        "text": "".join(text[piece] for piece in pieces).rstrip(),
        "words": words,
        **chars,
    }


def _begins(segment: dict[str, Any]) -> Iterator[int]:
    """Yield where each word begins in the text."""
    position = 0
    for word in segment["words"]:
        begin = max(segment["text"].find(word["word"], position), position)
        yield begin
        position = begin + len(word["word"])
