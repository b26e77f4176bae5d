"""Too little text for the speech: a passage is missing, and its time was given to the words around it.

Whisper's attention, and forced alignment, spread the words that are there over the whole sound of a chunk, so that
hardly any speech is left outside of words.
"""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from tasks.quality.spans import Span, seconds, union, within
from tasks.quality.transcript import SPACELESS, Finding, Segment

WINDOW_S, STEP_S = 4.0, 0.5
LEAST_SPEECH_S = 3.0
"""A window is judged if so much of it is speech. Those of real speech, in six recordings, have 6.4 characters a second
of speech at least; those in which a third of a text was cut out 5.0 at most, ten of twelve 4.2 or less."""
SYLLABIC, SYLLABIC_SHARE = SPACELESS | {"ko"}, 0.3
"""Languages in which a character is a syllable or a word, and the share of the limit that holds for them. Chosen: no
recording in one of them was long enough."""
DIGIT = 4
"""A digit is said as a word of so many characters."""


def sparse(
    segments: list[Segment], speech: list[Span], language: str, *, characters: float, known: list[Finding]
) -> Iterator[Finding]:
    """Yield the stretches with fewer `characters` for a second of speech, apart from those that are `known`."""
    limit = characters * (SYLLABIC_SHARE if language in SYLLABIC else 1)
    points = sorted(point for segment in segments for point in _points(segment))
    times = [time for time, _ in points]
    sums = [0, *accumulate(length for _, length in points)]
    thin = []
    for start in _starts(speech):
        spoken = seconds(within(speech, start, start + WINDOW_S))
        text = sums[bisect_left(times, start + WINDOW_S)] - sums[bisect_left(times, start)]
        if spoken >= LEAST_SPEECH_S and text < limit * spoken:
            thin.append((start, start + WINDOW_S))
    holes = union((each.start, each.end) for each in known if each.start is not None and each.end is not None)
    for start, end in union(thin):
        if not any(within(holes, start, end)):
            yield Finding("missing", f"{end - start:.1f} s of speech with hardly any text", start, end)


def _starts(speech: list[Span]) -> Iterator[float]:
    """Yield the beginnings of the windows."""
    position = 0.0
    for start, end in speech:
        position = max(position, start)
        while position < end:
            yield position
            position += STEP_S


def _points(segment: Segment) -> Iterator[tuple[float, int]]:
    """Yield when each word is said, and how many characters it has; evenly spread where words are not timed."""
    step = segment.seconds / max(len(segment.words), 1)
    for number, word in enumerate(segment.words):
        spoken = word.spoken()
        middle = segment.start + (number + 0.5) * step if spoken is None else sum(spoken) / 2
        yield middle, len(word.text) + (DIGIT - 1) * sum(map(str.isdigit, word.text))
