"""What the check found in the files of a run, and what is worth an ear, as Markdown."""

from collections import Counter
from itertools import pairwise
from math import ceil

from flows.planning.file_run import FileRun
from flows.reporting.console import verdict_line
from flows.reporting.listening import assessed, totals, worth_hearing
from flows.reporting.markdown.tables import cell, table
from flows.reporting.tracker import Tracker
from tasks.quality.assessment import Listed
from tasks.quality.verdict import clock

LISTENED = 50
"""Stretches that are worth an ear in the report; the CSV beside the report has more."""
BAR, LONGEST_BAR = "█", 20
COVERAGES = (0.0, 0.5, 0.7, 0.9, 0.95, 1.0)
"""The limits of the bars of a histogram: the share of a file's speech that has text."""


def listening(tracker: Tracker) -> list[str]:
    """Return the verdicts, and what is worth an ear; nothing if no file was checked."""
    if not (verdicts := verdict_line(tracker)):
        return []
    return [
        "## Worth an ear",
        verdicts,
        *_bars("verdict", totals(tracker).verdicts),
        *_bars("speech with text", _coverages(tracker)),
        *(_stretch(file, listed) for file, _, listed in worth_hearing(tracker)[:LISTENED]),
    ]


def _coverages(tracker: Tracker) -> dict[str, int]:
    """Return how many files with speech have text for how much of it."""
    shares = [each["covered_s"] / each["speech_s"] for _, each in assessed(tracker) if each["speech_s"]]
    limits = list(pairwise(COVERAGES))
    counts = Counter(sum(share >= low for low, _ in limits) for share in shares)
    return {f"{low:.0%} to {high:.0%}": counts[number] for number, (low, high) in enumerate(limits, 1)}


def _bars(title: str, counts: dict[str, int]) -> list[str]:
    """Return a bar chart of files, by verdict or any other name."""
    most = max([1, *counts.values()])
    rows = [(name, count, BAR * ceil(LONGEST_BAR * count / most)) for name, count in counts.items()]
    return table((title, "files", ""), rows)


def _stretch(file: FileRun, listed: Listed) -> str:
    place = "" if listed["start"] is None else f", {clock(listed['start'])}"
    text = f" “{cell(listed['text'])}”" if listed["text"] else ""
    return f"- {cell(file.source.name)}{place}: {cell(listed['why'])}{text}"
