"""What became of a trial of new options: whether they are within the limits, and the difference as Markdown."""

from collections.abc import Iterator
from dataclasses import dataclass

from flows.config.canary import Limits
from flows.evaluation.comparison import Change, Comparison, Version
from flows.evaluation.plural import counted
from flows.reporting.listening import ORDER
from flows.reporting.markdown.tables import cell, table

SHOWN = 50
"""So many files are listed, those that differ most."""


@dataclass(frozen=True)
class Trial:
    """The transcripts of a sample with old and new options, and in what they differ by more than is allowed."""

    comparison: Comparison
    exceeded: list[str]

    @classmethod
    def of(cls, comparison: Comparison, limits: Limits) -> "Trial":
        """Return the trial with what is beyond the limits, as sentences."""
        return cls(comparison, list(_exceeded(comparison, limits)))

    @property
    def headline(self) -> str:
        """The outcome in a line."""
        files, differ = len(self.comparison.changes), self.comparison.words
        if self.exceeded:
            return f"beyond the limits: {'; '.join(self.exceeded)}"
        words = f"{differ.value:.2%} of the words differ" if self.comparison.differing else ""
        return f"{counted(files, 'file')}: {words or 'no difference'}"

    def as_markdown(self) -> str:
        """Return the outcome, the totals, and the files that differ, with examples."""
        differing = self.comparison.differing
        return "\n".join(
            [
                f"# Canary: {'beyond the limits' if self.exceeded else 'within the limits'}",
                *(f"- {cell(each)}" for each in self.exceeded),
                *table(("", "old", "new"), self._totals()),
                *(_files(differing[:SHOWN]) if differing else ["No difference."]),
            ]
        )

    def _totals(self) -> Iterator[tuple[str, ...]]:
        changes, words = self.comparison.changes, self.comparison.words
        yield "words that differ", "", f"{words.errors:,.0f} of {words.length:,.0f}, {words.value:.2%}"
        for verdict in ORDER:
            counts = [sum(side.verdict == verdict for side in sides) for sides in _versions(changes)]
            if any(counts):
                yield f"verdict {verdict}", *map(str, counts)
        old, new = (_coverage(sides) for sides in _versions(changes))
        if old is not None and new is not None:
            yield "speech with text", f"{old:.1%}", f"{new:.1%}"
        if all(self.comparison.speeds):
            yield "times real time", *(f"{speed:.1f}" for speed in self.comparison.speeds if speed)


def _exceeded(comparison: Comparison, limits: Limits) -> Iterator[str]:
    changes = comparison.changes
    yield from comparison.problems
    if not changes:
        yield "no file has a transcript with both sets of options"
    if (differ := comparison.words.value) > limits.max_difference:
        yield f"{differ:.1%} of the words differ, more than {limits.max_difference:.1%}"
    old, new = (_coverage(sides) for sides in _versions(changes))
    if old is not None and new is not None and old - new > limits.max_coverage_loss:
        yield f"{new:.1%} of the speech has text, not {old:.1%}: a loss of more than {limits.max_coverage_loss:.1%}"
    worse = [each.name for each in changes if _rank(each.new) < _rank(each.old)]
    if len(worse) > limits.max_worse:
        yield f"a worse verdict on {counted(len(worse), 'file')} ({', '.join(worse[:3])}), more than {limits.max_worse}"


def _rank(version: Version) -> int:
    return ORDER.index(version.verdict) if version.verdict in ORDER else len(ORDER)


def _versions(changes: list[Change]) -> tuple[list[Version], list[Version]]:
    return [each.old for each in changes], [each.new for each in changes]


def _coverage(versions: list[Version]) -> float | None:
    """Return the share of the speech that has text, as a mean of the files; None if none was checked."""
    known = [each.coverage for each in versions if each.coverage is not None]
    return sum(known) / len(known) if known else None


def _files(changes: list[Change]) -> Iterator[str]:
    rows = [
        (each.name, f"{each.words.value:.1%}", _both(each, "verdict"), _both(each, "coverage"), _both(each, "speakers"))
        for each in changes
    ]
    yield from table(("file", "words that differ", "verdict", "coverage", "speakers"), rows)
    yield "## Examples"
    for each in changes:
        for place in each.places:
            before, old, new, after = map(cell, place)
            yield f"- {cell(each.name)}: … {before} ~~{old}~~ **{new}** {after} …"


def _both(change: Change, fact: str) -> str:
    old, new = (getattr(version, fact) for version in (change.old, change.new))
    return str(old or "") if old == new else f"{old} → {new}"
