"""Speech whose speaker is not known, and speakers that were not told from each other."""

from collections import Counter
from collections.abc import Iterator

from tasks.quality.spans import Span, union, within
from tasks.quality.transcript import Finding, Segment, shortened

UNLABELLED_S = 2.0
"""A segment of so many seconds that touches no turn of a speaker is worth a look."""
MOST_OF_ONE = 0.98
"""The share of all turns that one speaker has where several were asked for."""
LEAST_SPEECH_S = 30.0
"""In so many seconds of turns more than one of several speakers is heard."""

Turn = tuple[float, float, str]
"""Start and end in seconds, and the speaker."""


def unlabelled(segments: list[Segment], turns: list[Turn]) -> Iterator[Finding]:
    """Yield the segments that no turn overlaps, so that they get no speaker."""
    spoken: list[Span] = union((start, end) for start, end, _ in turns)
    for segment in segments:
        if segment.seconds >= UNLABELLED_S and not any(within(spoken, segment.start, segment.end)):
            yield Finding("speakers", "speech without a speaker", segment.start, segment.end, shortened(segment.text))


def one_for_all(turns: list[Turn], fewest: int) -> Iterator[Finding]:
    """Yield that one speaker has nearly all turns, if there must be `fewest`, more than one."""
    lengths: Counter[str] = Counter()
    for start, end, speaker in turns:
        lengths[speaker] += end - start  # type: ignore[assignment] # a Counter counts fractions too
    total = sum(lengths.values())
    if fewest > 1 and total >= LEAST_SPEECH_S and max(lengths.values()) > MOST_OF_ONE * total:
        yield Finding("speakers", f"one speaker has nearly all turns, though there are at least {fewest}")
