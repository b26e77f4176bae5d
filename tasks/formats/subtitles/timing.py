"""The times of readable cues: those of their words, extended into pauses where more time is needed to read them."""

from dataclasses import dataclass
from itertools import zip_longest
from math import ceil

from tasks.formats.subtitles.rules import Rules

LEAD_MS = 250
"""A cue may appear this long before its first word, if that gives time to read it."""
CHAIN_MS = 500
"""Shorter pauses between cues are closed to the smallest gap, as Netflix asks: a flash of empty screen disturbs."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """When the words of a cue are said, in seconds, and how many characters there are to read."""

    start: float
    end: float
    characters: int


def timed(wanted: list[Wanted], rules: Rules) -> list[tuple[int, int]]:
    """Return the start and end of each cue in milliseconds.

    A cue lasts from `min_duration` to `max_duration`, with `min_gap` to the next. Where speakers alternate faster than
    that, or talk at the same time, a cue is delayed until the one before it has had its shortest time.
    """
    shortest, longest, gap = (round(1000 * each) for each in (rules.min_duration, rules.max_duration, rules.min_gap))
    times: list[tuple[int, int]] = []
    free = 0
    for cue, following in zip_longest(wanted, wanted[1:]):
        start, end = max(round(1000 * cue.start), free), round(1000 * cue.end)
        limit = round(1000 * following.start) - gap if following else start + longest
        needed = min(max(shortest, ceil(1000 * cue.characters / rules.max_cps)), longest)
        end = min(max(end, start + needed), limit, start + longest)
        start -= max(0, min(start + needed - end, start - free, LEAD_MS))
        end = max(end, start + shortest)
        times.append((start, end))
        free = end + gap
    return [_closed(cue, following, gap, longest) for cue, following in zip_longest(times, times[1:])]


def _closed(cue: tuple[int, int], following: tuple[int, int] | None, gap: int, longest: int) -> tuple[int, int]:
    """Return a cue's times, up to the gap before the next if the pause between them is short."""
    start, end = cue
    if following is None or following[0] - gap - end > CHAIN_MS:
        return cue
    return start, min(following[0] - gap, start + longest)
