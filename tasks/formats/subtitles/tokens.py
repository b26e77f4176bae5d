"""The units of readable subtitles: words with times, or characters in languages without spaces."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any
from unicodedata import category, east_asian_width

from tasks.formats.writers import WITHOUT_SPACES, Result

CLUSTER = re.compile(r"[\u0e40-\u0e44\u0ec0-\u0ec4]?.")
"""A character, with the Thai or Lao vowel that is written before it."""
FOLLOWS = frozenset("\u0e30\u0e32\u0e33\u0e45\u0e46\u0e2f\u0eb0\u0eb2\u0eb3\u0ec6")
"""Thai and Lao vowels and signs that are written after a consonant and belong to it, as marks do."""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of text before and after which a line may be broken; `start` and `end` in seconds."""

    text: str
    start: float
    end: float
    speaker: str | None
    spaced: bool
    """A space stands before it, unless it begins a line."""
    within_word: bool = False
    """It continues the word of the token before."""
    opens: bool = False
    """It begins a segment, which is a sentence in an aligned transcript."""


def tokens_of(result: Result, longest: int) -> list[Token]:
    """Return the tokens of a transcript, each at most `longest` columns wide; their times never go back.

    Words without times share the time between their neighbours, in proportion to their lengths.
    """
    unspaced = result["language"] in WITHOUT_SPACES
    tokens: list[Token] = []
    clock = 0.0
    for segment in result["segments"]:
        for number, (text, start, end) in enumerate(_timed_words(segment, unspaced=unspaced)):
            begin = max(float(start), clock)
            clock = max(float(end), begin)
            word = Token(text, begin, clock, segment.get("speaker"), not unspaced, opens=number == 0)
            tokens += _split(word, longest)
    return tokens


def columns(text: str) -> int:
    """Return how wide a text is: wide East Asian characters take two columns, combining ones none."""
    return sum(_width(character) for character in text)


def _width(character: str) -> int:
    if category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if east_asian_width(character) in "WF" else 1


def _timed_words(segment: dict[str, Any], *, unspaced: bool) -> Iterator[tuple[str, float, float]]:
    """Yield a segment's words with their times in seconds, estimated where the aligner gave none."""
    text = segment["text"].strip()
    words = segment.get("words") or [{"word": word} for word in (text.replace(" ", "") if unspaced else text.split())]
    known = [{**word, "word": plain} for word in words if (plain := " ".join(word["word"].split()))]
    waiting: list[str] = []
    last: float = segment["start"]
    for word in [*known, {"word": "", "start": segment["end"], "end": segment["end"]}]:
        if "start" not in word or "end" not in word:
            waiting.append(word["word"])
            continue
        yield from _shared(waiting, last, max(last, word["start"]))
        waiting, last = [], max(last, word["end"])
        if word["word"]:
            yield word["word"], word["start"], word["end"]


def _shared(texts: list[str], start: float, end: float) -> Iterator[tuple[str, float, float]]:
    """Yield texts, each with its share of the time from `start` to `end`, in proportion to its length."""
    lengths = [0, *accumulate(map(len, texts))]
    times = [start + (end - start) * length / (lengths[-1] or 1) for length in lengths]
    yield from zip(texts, times, times[1:], strict=False)


def _split(token: Token, longest: int) -> Iterator[Token]:
    """Yield the token itself if it is narrow enough, else one for each character with its combining marks."""
    if columns(token.text) <= longest:
        yield token
        return
    pieces: list[str] = []
    for piece in CLUSTER.findall(token.text):
        if pieces and (piece in FOLLOWS or not columns(piece)):
            pieces[-1] += piece
        else:
            pieces.append(piece)
    for number, (text, start, end) in enumerate(_shared(pieces, token.start, token.end)):
        first = number == 0
        yield Token(
            text, start, end, token.speaker, token.spaced and first, within_word=not first, opens=token.opens and first
        )
