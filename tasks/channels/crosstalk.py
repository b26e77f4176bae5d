"""Crosstalk: what a microphone hears of another speaker, and Whisper writes down for both, is kept once."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from itertools import combinations, groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.audio.types import SAMPLE_RATE, Samples
from tasks.channels.correlation import correlation, level_db
from tasks.channels.removal import without_words

Result = dict[str, Any]
"""WhisperX's result: `segments`, and `word_segments` if its words are timed."""

SAME_TIME_S = 0.3
"""So far apart at most begin two words that may be one: aligners time faint speech with so much error."""
ALIKE = 80
"""rapidfuzz's ratio of the characters of two words that may be one: Whisper hears faint speech otherwise."""
SOFTER_DB = 6.0
"""A word is crosstalk if it is so much softer than the same word in the other part."""
SAME_SOUND = 0.8
"""Or, about as loud, if the samples correlate so well: a channel that was recorded twice."""
LEAST_COMPARED_S = 0.1
"""Whisper's attention gives some words no length, and so no sound."""
COMPARED_S = 2.0
"""So much of a segment without timed words is correlated at most."""
MOST_ALIKE = 0.8
"""The share of the words of such a segment that must be copies."""
LEAST_RUN = 3
"""So many words in a row are crosstalk, or half of their segment: less may be said by two persons at once."""


@dataclass(frozen=True)
class _Word:
    """A word: its segment and its number there, its times in the recording, its letters and digits."""

    segment: int
    number: int
    start: float
    end: float
    text: str
    timed: bool


@dataclass(eq=False)
class _Part:
    """A part, and for each of its words that is crosstalk the part in which it is louder."""

    words: list[_Word]
    samples: Samples
    offset_s: float
    copies: dict[_Word, "_Part"] = field(default_factory=dict)

    def sound(self, start: float, end: float) -> Samples:
        """Return the samples between two times of the recording."""
        first, last = (max(0, round((time - self.offset_s) * SAMPLE_RATE)) for time in (start, end))
        return self.samples[first:last]

    def level_db(self, start: float, end: float) -> float:
        """Return the level there."""
        return level_db(self.sound(start, end))

    def speaks(self, start: float, end: float) -> bool:
        """Return whether a word of this part is said between two times."""
        starts, ends = self._times
        return bool(np.any((starts < end) & (ends > start)))

    @cached_property
    def _times(self) -> npt.NDArray[np.float64]:
        return np.array([(word.start, word.end) for word in self.words]).reshape(-1, 2).T


def without_crosstalk(
    parts: Sequence[Result], samples: Sequence[Samples], offsets: Sequence[float] = ()
) -> list[Result]:
    """Return the results of parts without the words that are crosstalk from another part.

    A word is a copy if another part has it too, but for a few letters and 0.3 s, and louder by 6 dB, or just as loud
    and with the same samples: of two persons who say "yes" at once, about equally loud, both are kept. Copies are
    removed where at least three follow each other, or where they are at least half of a segment; there words that
    Whisper heard otherwise go with them, if somebody louder speaks at the same time. A segment without timed words is
    removed, as a whole, if at least 80% of its words are copies. `samples` are the parts' own, 16 kHz; `offsets` say
    when, in seconds, each part begins. The results that are given stay as they are.
    """
    heard = [
        _Part(list(_words(result, offset_s)), sound, offset_s)
        for result, sound, offset_s in zip(parts, samples, offsets or [0.0] * len(parts), strict=True)
    ]
    for first, second in combinations(heard, 2):
        softer_of = cache(partial(_softer, first, second))  # words without times have those of their segments
        for one, other in _same_words(first.words, second.words):
            softer = softer_of(min(one.start, other.start), max(one.end, other.end))
            if softer is second:
                second.copies[other] = first
            elif softer is first:
                first.copies[one] = second
    return [without_words(result, _removed(part)) for result, part in zip(parts, heard, strict=True)]


def _words(result: Result, offset_s: float) -> Iterator[_Word]:
    """Yield the words of a result. Those without times have the gap that they are in, or the time of the segment."""
    for number, segment in enumerate(result["segments"]):
        words = segment.get("words") or [{"word": word} for word in segment["text"].split()]
        before = segment["start"]
        for position, word in enumerate(words):
            later = (each["start"] for each in words[position:] if "start" in each)
            start, end = word.get("start", before), word.get("end", next(later, segment["end"]))
            text = "".join(filter(str.isalnum, word["word"].casefold()))
            yield _Word(number, position, start + offset_s, end + offset_s, text, "start" in word)
            before = word.get("end", before)


def _same_words(first: list[_Word], second: list[_Word]) -> Iterator[tuple[_Word, _Word]]:
    """Yield pairs of alike words of two parts that are said at the same time; no word is in two pairs."""
    ordered = sorted(second, key=lambda word: word.start)
    starts = [word.start for word in ordered]
    longest = max((word.end - word.start for word in ordered if not word.timed), default=0.0)
    taken: set[_Word] = set()
    for word in first:
        last = word.start if word.timed else word.end
        near = ordered[
            bisect_left(starts, word.start - longest - SAME_TIME_S) : bisect_right(starts, last + SAME_TIME_S)
        ]
        same = [each for each in near if each not in taken and _same_time(word, each) and _alike(word, each)]
        if same:
            nearest = min(same, key=lambda each: abs(each.start - word.start))
            taken.add(nearest)
            yield word, nearest


def _same_time(one: _Word, other: _Word) -> bool:
    if one.timed and other.timed:
        return abs(one.start - other.start) <= SAME_TIME_S
    return one.start <= other.end + SAME_TIME_S and other.start <= one.end + SAME_TIME_S


def _alike(one: _Word, other: _Word) -> bool:
    from rapidfuzz.fuzz import ratio  # here: few runs compare channels

    return bool(one.text) and ratio(one.text, other.text) >= ALIKE


def _softer(first: _Part, second: _Part, start: float, end: float) -> _Part | None:
    """Return which of two parts has a word as crosstalk; None if neither has."""
    end = max(end, start + LEAST_COMPARED_S)
    louder = first.level_db(start, end) - second.level_db(start, end)
    if abs(louder) >= SOFTER_DB:
        return second if louder > 0 else first
    end = min(end, start + COMPARED_S)
    one, other = first.sound(start, end), second.sound(start, end)
    length = min(len(one), len(other))
    return second if correlation(one[:length], other[:length]) >= SAME_SOUND else None


def _removed(part: _Part) -> set[tuple[int, int]]:
    """Return the words to remove, as the numbers of their segments and theirs in these."""
    removed: set[_Word] = set()
    for _, each in groupby(part.words, key=lambda word: word.segment):
        words = list(each)
        copies = [word for word in words if word in part.copies]
        if not any(word.timed for word in words):
            removed.update(words if len(copies) >= MOST_ALIKE * len(words) else ())
        elif 2 * len(copies) >= len(words):
            louder = {id(part.copies[word]): part.copies[word] for word in copies}.values()
            removed.update(word for word in words if word in part.copies or _drowned(word, part, louder))
        else:
            runs = (list(run) for is_copy, run in groupby(words, key=part.copies.__contains__) if is_copy)
            removed.update(word for run in runs if len(run) >= LEAST_RUN for word in run)
    return {(word.segment, word.number) for word in removed}


def _drowned(word: _Word, part: _Part, others: Iterable[_Part]) -> bool:
    level = part.level_db(word.start, word.end)
    return any(
        each.speaks(word.start, word.end) and each.level_db(word.start, word.end) >= level + SOFTER_DB
        for each in others
    )
