"""Whether the text of the second pass is taken for a stretch: only if the check doubts it less than the first."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from tasks.quality.coverage import coverage
from tasks.quality.invention import NO_SPEECH
from tasks.quality.spans import Span, seconds, union, within
from tasks.quality.transcript import Finding, Segment, segments_of
from tasks.quality.verdict import WRONG_TEXT, Decision
from tasks.second_pass.stretches import Stretch

Result = dict[str, Any]
"""WhisperX's result, with `segments` and, if words are timed, `word_segments`."""
Rules = Callable[[list[Segment]], Iterable[Finding]]

MOST_IN_DOUBT = 0.5
"""The new text may be in doubt for this share of the time for which the old one is. Chosen, as the limits below;
benchmarks/second_pass.py shows what they take and leave."""
MOST_LOST_S = 0.25
"""So much less of the speech may have text."""
LEAST_KEPT = 0.8
"""Where text is missing or repeated, so many of the words that occur once must be in the new text, in their order."""


@dataclass(frozen=True)
class _Judged:
    """A text of a stretch: the seconds that are in doubt, the seconds of speech that have text, its words."""

    doubt_s: float
    covered_s: float
    words: list[str]


def choose(
    result: Result,
    stretches: list[Stretch],
    new: list[dict[str, Any]],
    language: str,
    speech: list[Span],
    rules: Rules,
    logprob: float,
) -> tuple[Result, list[Decision]]:
    """Return the result with the better text of each stretch, and the decisions, in order of time.

    `new` are the segments of the second pass; `rules` find what is in doubt in segments of the whole file.
    """
    decisions = []
    for stretch in stretches:
        old = [each for each in result["segments"] if stretch.touches(each["start"], each["end"])]
        mine = [each for each in new if stretch.start <= (each["start"] + each["end"]) / 2 <= stretch.end]
        changed = _with(result, stretch, mine)
        if not (refusal := stretch.left or _unlike(result["segments"], mine)):
            first, second = (_judged(each, stretch, language, speech, rules) for each in (result, changed))
            refusal = _refusal(stretch, first, second, logprob)
            better = f"in doubt for {second.doubt_s:.1f} s, before for {first.doubt_s:.1f} s"
        decisions.append(
            Decision(
                round(stretch.start, 2),
                round(stretch.end, 2),
                stretch.doubts,
                not refusal,
                refusal or better,
                _text(old),
                _text(mine),
                stretch.decoded,
            )
        )
        result = result if refusal else changed
    return result, decisions


def _unlike(first: list[dict[str, Any]], new: list[dict[str, Any]]) -> str | None:
    """Return that only one of two texts has timed words: outputs need all or none. None if that is not so."""
    timed = {"words" in each for each in (*first, *new)}
    return "words are timed in only one of the two texts" if len(timed) > 1 else None


def _refusal(stretch: Stretch, first: _Judged, second: _Judged, logprob: float) -> str | None:
    """Return why the first text stays; None if the second is better."""
    if second.doubt_s > MOST_IN_DOUBT * first.doubt_s or not first.doubt_s:
        return f"in doubt for {second.doubt_s:.1f} s, as the first text for {first.doubt_s:.1f} s"
    if second.covered_s < first.covered_s - MOST_LOST_S:
        return f"text for {second.covered_s:.1f} s of speech, the first for {first.covered_s:.1f} s"
    if not second.words and not {*stretch.doubts} > {NO_SPEECH}:
        return "no text, and not both the second voice activity detection and another rule are against the first"
    unsure = min((each.avg_logprob for each in stretch.decoded), default=0.0)
    if unsure < logprob:
        return f"Whisper was unsure: mean log probability {unsure:.2f}"
    if stretch.words_stand and (kept := _kept(first.words, second.words)) < LEAST_KEPT:
        return f"it has only {kept:.0%} of the words of the first"
    return None


def _kept(first: list[str], second: list[str]) -> float:
    """Return the share of the words that occur once in the first text that the second has in their order."""
    times = Counter(first)
    once = [word for word in first if times[word] == 1]
    blocks = SequenceMatcher(None, once, second, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks) / len(once) if once else 1.0


def _judged(result: Result, stretch: Stretch, language: str, speech: list[Span], rules: Rules) -> _Judged:
    segments = segments_of(result, language)
    spans = union(
        (each.start, each.end)
        for each in rules(segments)
        if each.kind in WRONG_TEXT and each.start is not None and each.end is not None
    )
    spoken = list(within(speech, stretch.start, stretch.end))
    words = [
        word.text.casefold().strip(".,!?;:¿¡…\"'-")
        for each in segments
        if stretch.touches(each.start, each.end)
        for word in each.words
    ]
    doubt_s = seconds(within(spans, stretch.start, stretch.end))
    return _Judged(doubt_s, coverage(segments, spoken).covered_s, words)


def _with(result: Result, stretch: Stretch, new: list[dict[str, Any]]) -> Result:
    """Return the result with other segments in a stretch."""
    kept = [each for each in result["segments"] if not stretch.touches(each["start"], each["end"])]
    segments = sorted([*kept, *new], key=lambda each: each["start"])
    words = [word for each in segments for word in each.get("words", ())]
    timed = any("words" in each for each in segments)
    return {**result, "segments": segments} | ({"word_segments": words} if timed else {})


def _text(segments: list[dict[str, Any]]) -> str:
    return " ".join(each["text"].strip() for each in segments)
