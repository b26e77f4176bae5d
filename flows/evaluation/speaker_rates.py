"""Word error rates by speaker, as MeetEval defines them; its releases need a C++ compiler to install.

cpWER: the words of each reference speaker are compared with those of one speaker of the transcript; of all ways to pair
them that with the fewest errors counts (https://arxiv.org/abs/2004.09249). tcpWER: in addition, words are only matched
where their times overlap, up to a collar (https://arxiv.org/abs/2307.11394).
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from flows.evaluation.rates import Rate
from flows.evaluation.transcripts.recording import Segment


class PlacedWord(NamedTuple):
    """A word and the time, in seconds, in which it may be matched."""

    text: str
    start: float
    end: float


def cpwer(reference: Sequence[Segment], hypothesis: Sequence[Segment]) -> Rate:
    """Return the concatenated minimum-permutation word error rate of segments of normalized text."""
    from rapidfuzz.distance import Levenshtein

    def words(segment: Segment) -> list[str]:
        return segment.text.split()

    return _best_pairing(_by_speaker(reference, words), _by_speaker(hypothesis, words), Levenshtein.distance)


def tcpwer(reference: Sequence[Segment], hypothesis: Sequence[Segment], collar_s: float) -> Rate:
    """Return the time-constrained cpWER of segments of normalized text that all have times.

    As by default in MeetEval: the words of a segment share its time by their lengths. A reference word has its whole
    share; a word of the transcript has the middle of its share with `collar_s` before and after.
    """

    def middles(segment: Segment) -> list[PlacedWord]:
        centred = [(word.text, (word.start + word.end) / 2) for word in _shares(segment)]
        return [PlacedWord(text, middle - collar_s, middle + collar_s) for text, middle in centred]

    return _best_pairing(_by_speaker(reference, _shares), _by_speaker(hypothesis, middles), timed_distance)


def timed_distance(reference: Sequence[PlacedWord], hypothesis: Sequence[PlacedWord]) -> int:
    """Return the Levenshtein distance in which words whose times do not overlap can be neither equal nor substituted.

    Takes time in proportion to the product of the numbers of words, a row of the table at a time.
    """
    numbers = {text: number for number, text in enumerate({word.text for word in hypothesis})}
    texts = np.array([numbers[word.text] for word in hypothesis])
    starts, ends = (np.array([word[i] for word in hypothesis], dtype=float) for i in (1, 2))
    columns = np.arange(len(hypothesis) + 1)
    row = columns
    for word in reference:
        overlaps = (starts < word.end) & (ends > word.start)
        matched = np.where(overlaps, row[:-1] + (texts != numbers.get(word.text, -1)), row[1:] + 1)
        best = np.concatenate([[row[0] + 1], np.minimum(matched, row[1:] + 1)])
        # An insertion costs one for each column: the least of all columns to the left, by how far away they are.
        row = np.minimum.accumulate(best - columns) + columns
    return int(row[-1])


def _shares(segment: Segment) -> list[PlacedWord]:
    words = segment.text.split()
    start, end = segment.start or 0.0, segment.end or 0.0
    ends = list(accumulate((len(word) for word in words), initial=0))
    second = (end - start) / max(ends[-1], 1)
    return [
        PlacedWord(word, start + first * second, start + last * second)
        for word, first, last in zip(words, ends, ends[1:], strict=False)
    ]


def _by_speaker(segments: Sequence[Segment], words: Callable[[Segment], list[Any]]) -> list[list[Any]]:
    """Return the words of each speaker; those of segments without one are taken for another speaker's."""
    found: defaultdict[str | None, list[Any]] = defaultdict(list)
    for segment in segments:
        found[segment.speaker] += words(segment)
    return list(found.values())


def _best_pairing(
    reference: list[list[Any]], hypothesis: list[list[Any]], distance: Callable[[list[Any], list[Any]], int]
) -> Rate:
    """Return the error rate for the pairs of speakers that make it the lowest; speakers may be left without a pair."""
    from scipy.optimize import linear_sum_assignment

    size = max(len(reference), len(hypothesis))
    ours, theirs = ([*each, *([[]] * (size - len(each)))] for each in (reference, hypothesis))
    costs = np.array([[distance(one, other) for other in theirs] for one in ours])
    return Rate(sum(map(len, reference)), {"errors": int(costs[linear_sum_assignment(costs)].sum())})
