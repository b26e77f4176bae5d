"""One result from those of the parts of a recording."""

from collections.abc import Sequence
from typing import Any

Result = dict[str, Any]
"""WhisperX's result: `segments`, and `word_segments` if its words are timed."""


def merged(parts: Sequence[Result], speakers: Sequence[str], offsets: Sequence[float] = ()) -> Result:
    """Return one result of all parts, with the speaker of each on its segments and words, in order of time.

    Segments stay whole where somebody else speaks in between: they are sentences, or one chunk of speech without
    timed words, and those who read them do not want them cut. So times may overlap, as in diarized speech, and
    `word_segments` are in order of the words' own times. `offsets` say when, in seconds, each part begins. The other
    keys are those of the part with most words.
    """
    segments = [
        _of_speaker(segment, speaker, offset_s)
        for part, speaker, offset_s in zip(parts, speakers, offsets or [0.0] * len(parts), strict=True)
        for segment in part["segments"]
    ]
    segments.sort(key=lambda segment: float(segment["start"]))
    result = {**parts[most_words(parts)], "segments": segments}
    if any("word_segments" in part for part in parts):
        result["word_segments"] = in_order(segments)
    return result


def most_words(parts: Sequence[Result]) -> int:
    """Return the number of the part with most words, from 0: its language is that of the recording."""
    words = [
        sum(len(segment.get("words") or segment["text"].split()) for segment in part["segments"]) for part in parts
    ]
    return words.index(max(words))


def _of_speaker(segment: dict[str, Any], speaker: str, offset_s: float) -> dict[str, Any]:
    spoken = {**_shifted(segment, offset_s), "speaker": speaker}
    if segment.get("words"):
        spoken["words"] = [{**_shifted(word, offset_s), "speaker": speaker} for word in segment["words"]]
    if segment.get("chars"):
        spoken["chars"] = [_shifted(char, offset_s) for char in segment["chars"]]
    return spoken


def _shifted(each: dict[str, Any], offset_s: float) -> dict[str, Any]:
    """Return a segment, word or character, with its times in the recording."""
    return {**each, **{key: round(each[key] + offset_s, 3) for key in ("start", "end") if offset_s and key in each}}


def in_order(segments: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the words by the times at which they begin; those without follow the word before them."""
    timed: list[tuple[float, dict[str, Any]]] = []
    for segment in segments:
        time = float(segment["start"])
        for word in segment.get("words", ()):
            time = max(time, float(word.get("start", time)))
            timed.append((time, word))
    return [word for _, word in sorted(timed, key=lambda each: each[0])]
