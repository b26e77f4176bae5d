"""One result from those of the parts of a recording."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

from tasks.channels.removal import shortened

Result = dict[str, Any]
"""WhisperX's result: `segments`, and `word_segments` if its words are timed."""
Segment = dict[str, Any]

LONGEST_REST_S = 2.0
"""A segment that goes on for longer after another speaker has begun is cut there."""
CUT_WITHIN_S = 1.0
"""It is cut at the longest pause within so much time."""


def merged(parts: Sequence[Result], speakers: Sequence[str], offsets: Sequence[float] = ()) -> Result:
    """Return one result of all parts, with the speaker of each on its segments and words, in order of time.

    Whisper's sentences may go on for many seconds, over pauses in which somebody else speaks. They are cut between two
    words, so that what is read in the order of the segments is at most 2 s out of the order of time. Their times may
    overlap still, as in diarized speech, and `word_segments` are in order of the words' own times. `offsets` say when,
    in seconds, each part begins. The other keys are those of the part with most words. The parts stay as they are.
    """
    placed = [
        [_of_speaker(segment, speaker, offset_s) for segment in part["segments"]]
        for part, speaker, offset_s in zip(parts, speakers, offsets or [0.0] * len(parts), strict=True)
    ]
    segments = []
    for number, own in enumerate(placed):
        others = sorted(each["start"] for segments in (*placed[:number], *placed[number + 1 :]) for each in segments)
        segments += [piece for segment in own for piece in _cut(segment, others)]
    segments.sort(key=lambda segment: float(segment["start"]))
    result = {**parts[most_words(parts)], "segments": segments}
    if any("word_segments" in part for part in parts):
        result["word_segments"] = in_order(segments)
    return result


def most_words(parts: Sequence[Result]) -> int:
    """Return the number of the part with most words, from 0: its language is that of the recording."""
    words = [sum(len(each.get("words") or each["text"].split()) for each in part["segments"]) for part in parts]
    return words.index(max(words))


def _of_speaker(segment: Segment, speaker: str, offset_s: float) -> Segment:
    spoken = {**_shifted(segment, offset_s), "speaker": speaker}
    if segment.get("words"):
        spoken["words"] = [{**_shifted(word, offset_s), "speaker": speaker} for word in segment["words"]]
    if segment.get("chars"):
        spoken["chars"] = [_shifted(char, offset_s) for char in segment["chars"]]
    return spoken


def _shifted(each: dict[str, Any], offset_s: float) -> dict[str, Any]:
    """Return a segment, word or character, with its times in the recording."""
    return {**each, **{key: round(each[key] + offset_s, 3) for key in ("start", "end") if offset_s and key in each}}


def _cut(segment: Segment, others: list[float]) -> Iterator[Segment]:
    """Yield the pieces of a segment; `others` are the times, in order, at which the other speakers' segments begin."""
    words, first = segment.get("words") or [], 0
    for time in others[bisect_right(others, segment["start"]) :]:
        if time + LONGEST_REST_S >= segment["end"]:
            break
        place = _place(words, first, time)
        if place is not None:
            yield shortened(segment, list(range(first, place)))
            first = place
    yield shortened(segment, list(range(first, len(words)))) if first else segment


def _place(words: list[dict[str, Any]], first: int, time: float) -> int | None:
    """Return the word before which to cut once another speaker has begun; None if none follows, or the first does."""
    later = [number for number in range(first, len(words)) if words[number].get("start", 0.0) >= time]
    if not later or later[0] == first:
        return None
    near = [number for number in later if words[number]["start"] <= time + CUT_WITHIN_S]
    return max(near, key=lambda number: _pause(words, number), default=later[0])


def _pause(words: list[dict[str, Any]], number: int) -> float:
    return float(words[number]["start"] - words[number - 1].get("end", words[number]["start"]))


def in_order(segments: list[Segment]) -> list[dict[str, Any]]:
    """Return the words by the times at which they begin; those without follow the word before them."""
    timed: list[tuple[float, dict[str, Any]]] = []
    for segment in segments:
        time = float(segment["start"])
        for word in segment.get("words", ()):
            time = max(time, float(word.get("start", time)))
            timed.append((time, word))
    return [word for _, word in sorted(timed, key=lambda each: each[0])]
