"""Sets of time spans, (start, end) in seconds."""

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
    """Yield what is in `spans` and not in `removed`; both as `union` returns them."""
    first = 0
    for start, end in spans:
        while first < len(removed) and removed[first][1] <= start:
            first += 1
        position = start
        for gap_start, gap_end in removed[first:]:
            if gap_start >= end:
                break
            if gap_start > position:
                yield position, gap_start
            position = max(position, gap_end)
        if position < end:
            yield position, end


def seconds(spans: Iterable[Span]) -> float:
    """Return the total length."""
    return sum(end - start for start, end in spans)


def common_seconds(spans: list[Span], others: list[Span]) -> float:
    """Return how long both last at once; both as `union` returns them."""
    return seconds(spans) - seconds(without(spans, others))
