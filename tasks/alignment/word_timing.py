"""A segment's sentences with their words, timed by their characters: what WhisperX makes with pandas, to the digit."""

from itertools import accumulate, groupby
from math import isnan, nan
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from whisperx.utils import interpolate_nans

Sentence = dict[str, Any]
Word = dict[str, Any]


class Time(NamedTuple):
    """Start and end of a character, in seconds of the file, and its score."""

    start: float
    end: float
    score: float


def timed_sentences(
    segment: Sentence,
    times: dict[int, Time],
    spans: list[tuple[int, int]],
    *,
    spaceless: bool,
    interpolate_method: str,
    return_char_alignments: bool,
) -> list[Sentence]:
    """Return the sentences of a segment, those with equal times joined, in the order of their times.

    `times` are those of the characters that have any, by their position in the text; `spans` those of the sentences. A
    sentence has the character after it too. One without times, after the interpolation, is left out.
    """
    text = segment["text"]
    words = _words_of_characters(text, spaceless=spaceless)
    sentences = []
    for first, last in spans:
        inside = range(first, min(last + 1, len(text)))
        sentence = {
            "start": min((times[i].start for i in inside if i in times), default=nan),
            "end": max((times[i].end for i in inside if i in times and text[i] != " "), default=nan),
            "text": text[first:last],
            "words": _words(text, times, [list(word) for _, word in groupby(inside, words.__getitem__)]),
        }
        _interpolate_words(sentence["words"], interpolate_method)
        if return_char_alignments:
            sentence["chars"] = [{"char": text[i], **(times[i]._asdict() if i in times else {})} for i in inside]
        if segment.get("avg_logprob") is not None:
            sentence["avg_logprob"] = segment["avg_logprob"]
        sentences.append(sentence)
    for key in ("start", "end"):
        filled = _interpolated([sentence[key] for sentence in sentences], interpolate_method)
        for sentence, time in zip(sentences, filled, strict=True):
            sentence[key] = time
    return _joined(sentences, "" if spaceless else " ")


def _words_of_characters(text: str, *, spaceless: bool) -> list[int]:
    """Return the number of the word that each character is in. A word begins with the space before it."""
    if spaceless:
        return list(range(len(text)))
    return list(accumulate((character == " " for character in text[1:]), initial=0))


def _words(text: str, times: dict[int, Time], groups: list[list[int]]) -> list[Word]:
    """Return the words whose characters are at these positions, with times where a character has any."""
    words = []
    for positions in groups:
        if not (shown := "".join(text[i] for i in positions).strip()):
            continue
        word: Word = {"word": shown}
        timed = [times.get(i) for i in positions if text[i] != " "]
        if known := [time for time in timed if time]:
            word["start"] = min(time.start for time in known)
            word["end"] = max(time.end for time in known)
            # NumPy's sum, with zeros for what is missing, and its rounding: those of pandas.
            mean = np.sum([time.score if time else 0.0 for time in timed]) / len(known)
            word["score"] = float(round(mean, 3))
        words.append(word)
    return words


def _interpolate_words(words: list[Word], method: str) -> None:
    """Interpolate missing word times from the neighbours."""
    for key in ("start", "end"):
        times = _interpolated([word.get(key, nan) for word in words], method)
        for word, time in zip(words, times, strict=True):
            if not isnan(time):
                word[key] = time


def _interpolated(times: list[float], method: str) -> list[float]:
    """Return the times with those that are missing, NaN, interpolated."""
    if not any(map(isnan, times)):
        return times
    filled: list[float] = interpolate_nans(pd.Series(times), method=method).tolist()
    return filled


def _joined(sentences: list[Sentence], between: str) -> list[Sentence]:
    joined: dict[tuple[float, float], Sentence] = {}
    for sentence in sentences:
        times = sentence["start"], sentence["end"]
        if any(map(isnan, times)):
            continue
        if same := joined.get(times):
            same["text"] += between + sentence["text"]
            same["words"] += sentence["words"]
            if "chars" in same:
                same["chars"] += sentence["chars"]
        else:
            joined[times] = sentence
    return [joined[times] for times in sorted(joined)]
