"""Words whose times cannot be right."""

from collections.abc import Iterator
from statistics import median

from tasks.quality.transcript import Finding, Segment, Word, shortened

LONGEST_WORD_S = 5.0
"""No word takes longer; forced alignment gives a word such a length where the text lacks what follows it."""
LEAST_WORDS = 5
"""A segment of fewer words is not judged by their times."""
MOST_WRONG = 0.5
"""The share of a segment's words that may have no length, or none that can be."""
LOW_SCORE = 0.3
"""A segment whose mean score is below this share of the file's median was timed to something else. Chosen, not
calibrated: no real aligner was at hand, and scores of different aligners cannot be compared."""
UNTIMED = "segments"
"""What `Transcript.aligned_by` says where nothing could time the words."""


def wrong_times(segments: list[Segment]) -> Iterator[Finding]:
    """Yield the segments in which many words have no length or one that cannot be."""
    for segment in segments:
        timed = [word for word in segment.words if word.start is not None]
        wrong = sum(map(_is_wrong, timed))
        if len(timed) >= LEAST_WORDS and wrong > MOST_WRONG * len(timed):
            why = f"{wrong} of {len(timed)} words have a length that cannot be"
            yield Finding("timing", why, segment.start, segment.end, shortened(segment.text))


def _is_wrong(word: Word) -> bool:
    return word.start is not None and word.end is not None and not 0 < word.end - word.start <= LONGEST_WORD_S


def low_scores(segments: list[Segment]) -> Iterator[Finding]:
    """Yield the segments whose words fit the sound far worse than those of the rest of the file."""
    scored = [(segment, score) for segment in segments if (score := _score(segment)) is not None]
    if not scored:
        return
    usual = median(score for _, score in scored)
    for segment, score in scored:
        if score < LOW_SCORE * usual:
            why = f"the words fit the sound badly: score {score:.2f}, in the file {usual:.2f}"
            yield Finding("timing", why, segment.start, segment.end, shortened(segment.text))


def _score(segment: Segment) -> float | None:
    scores = [word.score for word in segment.words if word.score is not None]
    return sum(scores) / len(scores) if len(scores) >= LEAST_WORDS else None


def untimed(segments: list[Segment], aligned_by: str | None) -> Iterator[Finding]:
    """Yield that nothing could time the words, if that was asked for."""
    if segments and aligned_by == UNTIMED:
        yield Finding("timing", "nothing could time its words")
