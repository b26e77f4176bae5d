"""Sets of time spans, (start, end) in seconds: in order of time, none touching another, as `union` returns them."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator

Span = tuple[float, float]


def union(spans: Iterable[Span], margin: float = 0.0) -> list[Span]:
    """Return the spans, each longer by `margin` at both ends, in order of time, with those that touch joined."""
    joined: list[Span] = []
    for start, end in sorted((start - margin, end + margin) for start, end in spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((start, end))
    return joined


def without(spans: list[Span], removed: list[Span]) -> Iterator[Span]:
    """Yield what is in `spans` and not in `removed`."""
    for start, end in spans:
        position = start
        for gap_start, gap_end in within(removed, start, end):
            if gap_start > position:
                yield position, gap_start
            position = gap_end
        if position < end:
            yield position, end


def within(spans: list[Span], start: float, end: float) -> Iterator[Span]:
    """Yield the parts of the spans between two times."""
    first = bisect_left(spans, start, key=lambda span: span[1])
    for index in range(first, len(spans)):
        if spans[index][0] >= end:
            return
        yield max(spans[index][0], start), min(spans[index][1], end)


def seconds(spans: Iterable[Span]) -> float:
    """Return the total length."""
    return sum(end - start for start, end in spans)
