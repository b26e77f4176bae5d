"""Divides a speaker's words into cues by dynamic programming, and cues into lines."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import accumulate, combinations, pairwise

from tasks.formats.subtitles.breaks import IN_WORD, break_cost, ends_sentence
from tasks.formats.subtitles.rules import Rules
from tasks.formats.subtitles.tokens import Token, columns

CUE = 4.0
"""The cost of each cue, so that there are no more than needed."""
HURRY = 30.0
"""The cost of a cue with no time to be read; half of it with half of the time that is needed."""
RUN_ON, SHORT_SENTENCES = 5.0, 1.0
"""The cost of a sentence's end inside a cue; the second if the cue is one line of whole sentences."""
PAUSE_INSIDE = 6.0
"""The cost of a second of silence inside a cue."""
UNEVEN = 8.0
"""The cost of lines whose widths differ by that of a full line."""


@dataclass(frozen=True)
class Turn:
    """What one speaker says without a long pause."""

    tokens: list[Token]
    label: int
    """Columns of the speaker's label, which stands before the first line of each cue."""
    next_start: float
    """When the next turn begins, in seconds."""


@dataclass(frozen=True)
class SpokenCue:
    """The text of a cue, in lines, and when it is said, in seconds."""

    start: float
    end: float
    text: str
    speaker: str | None


class Segmentation:
    """The best cues for a turn."""

    def __init__(self, turn: Turn, rules: Rules, language: str) -> None:
        self._rules, self._turn, self._tokens = rules, turn, turn.tokens
        spaces = [int(token.spaced) for token in turn.tokens]
        self._ends = [
            0,
            *accumulate(space + columns(each.text) for space, each in zip(spaces, self._tokens, strict=True)),
        ]
        self._begins = [end + space for end, space in zip(self._ends, spaces, strict=False)]
        # How much there is to read: a wide character is one.
        self._read = [0, *accumulate(space + len(each.text) for space, each in zip(spaces, self._tokens, strict=True))]
        pairs = list(pairwise(turn.tokens))
        self._breaks = [0, *(break_cost(left, right, language) for left, right in pairs), 0]
        self._sentences = [0, *accumulate(ends_sentence(left, right) for left, right in pairs)]
        self._pauses = [0, *accumulate(max(right.start - left.end, 0) for left, right in pairs)]

    def cues(self) -> list[SpokenCue]:
        """Return the cues into which the turn is divided so that the sum of all costs is smallest."""
        count = len(self._tokens)
        best = [0.0] * (count + 1)
        end_of = [count] * (count + 1)
        for first in reversed(range(count)):
            options = [(self._cost(first, end) + best[end], end) for end in self._possible(first)]
            best[first], end_of[first] = min(options)
        cues, first = [], 0
        while first < count:
            end = end_of[first]
            begins, ends = self._tokens[first], self._tokens[end - 1]
            cues.append(SpokenCue(begins.start, ends.end, "\n".join(self._lines(first, end)), begins.speaker))
            first = end
        return cues

    def _possible(self, first: int) -> range:
        """Return where a cue that begins with the token `first` may end: it fits the lines and `max_duration`."""
        end, room = first, self._rules.max_line_width - self._turn.label
        for _ in range(int(self._rules.max_line_count)):
            end = max(end, bisect_right(self._ends, self._begins[end] + room) - 1) if end < len(self._tokens) else end
            room = self._rules.max_line_width
        latest = self._tokens[first].start + self._rules.max_duration
        while end > first + 1 and self._tokens[end - 1].end > latest:
            end -= 1
        return range(first + 1, max(end, first + 1) + 1)

    def _cost(self, first: int, end: int) -> float:
        rules, start = self._rules, self._tokens[first].start
        said = self._tokens[end - 1].end
        following = self._tokens[end].start if end < len(self._tokens) else self._turn.next_start
        shown = max(said, min(following - rules.min_gap, start + rules.max_duration)) - start
        to_read = self._turn.label + self._read[end] - self._read[first]
        needed = max(rules.min_duration, to_read / rules.max_cps)
        inside = self._sentences[end - 1] - self._sentences[first]
        whole = end == len(self._tokens) or self._sentences[end] > self._sentences[end - 1]
        line_break = self._line_break(first, end)
        return (
            CUE
            + self._breaks[end]
            + (line_break or 0)
            + HURRY * max(0, needed - shown) / needed
            + inside * (SHORT_SENTENCES if whole and line_break is None else RUN_ON)
            + PAUSE_INSIDE * (self._pauses[end - 1] - self._pauses[first])
        )

    def _line_break(self, first: int, end: int) -> float | None:
        """Return the cost of the best break after the first line of a cue; None if it has one line."""
        room = self._rules.max_line_width - self._turn.label
        if self._ends[end] - self._begins[first] <= room:
            return None
        rest = self._rules.max_line_width * (self._rules.max_line_count - 1)
        earliest = bisect_left(self._begins, self._ends[end] - rest)
        latest = bisect_right(self._ends, self._begins[first] + room) - 1
        return min(self._breaks[max(earliest, first + 1) : latest + 1], default=IN_WORD)

    def _lines(self, first: int, end: int) -> list[str]:
        """Return the lines of a cue: as few as it fits on, broken at the least cost, of similar widths."""
        full = self._rules.max_line_width
        for count in range(1, int(self._rules.max_line_count) + 1):
            found = []
            for breaks in combinations(range(first + 1, end), count - 1):
                spans = list(pairwise((first, *breaks, end)))
                widths = [self._ends[after] - self._begins[before] for before, after in spans]
                widths[0] += self._turn.label
                if max(widths) <= full:
                    uneven = UNEVEN * (max(widths) - min(widths)) / full
                    found.append((sum(self._breaks[place] for place in breaks) + uneven, spans))
            if found:
                return [_text(self._tokens[before:after]) for before, after in min(found)[1]]
        return [_text(self._tokens[first:end])]


def _text(tokens: list[Token]) -> str:
    return "".join(f"{' ' if each.spaced and number else ''}{each.text}" for number, each in enumerate(tokens))
