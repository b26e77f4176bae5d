"""The listening list: every stretch of a run's transcripts that is worth an ear, the worst first."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import StringIO
from typing import TypeVar

from flows.planning.file_run import FileRun
from flows.reporting.tracker import Tracker
from tasks.quality.assessment import Assessment, Decided, Listed
from tasks.quality.verdict import DECISION, WEIGHTS, clock
from tasks.storage import urls

COLUMNS = ("file", "time", "start", "end", "verdict", "kind", "text", "why")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would compute."""
ORDER = ("bad", "check", "good")
File = TypeVar("File")


@dataclass(frozen=True)
class Totals:
    """How many files have each verdict, and the seconds of speech in them and of it that have text."""

    verdicts: dict[str, int]
    speech_s: float
    covered_s: float


def assessed(tracker: Tracker) -> Iterator[tuple[FileRun, Assessment]]:
    """Yield the files that have been checked, in this run or an earlier one, in the order of the inputs."""
    for file in sorted(tracker.files, key=lambda file: file.index):
        if file.written and file.written.quality:
            yield file, file.written.quality


def totals(tracker: Tracker) -> Totals:
    """Return the totals of the files that have been checked."""
    verdicts, speech_s, covered_s = dict.fromkeys(ORDER, 0), 0.0, 0.0
    for _, quality in assessed(tracker):
        verdicts[quality["verdict"]] += 1
        speech_s += quality["speech_s"]
        covered_s += quality["covered_s"]
    return Totals(verdicts, speech_s, covered_s)


def worth_hearing(tracker: Tracker) -> list[tuple[FileRun, Assessment, Listed]]:
    """Return what is worth an ear in the files of a run, the worst first."""
    return worst_stretches(assessed(tracker))


def worst_stretches(checked: Iterable[tuple[File, Assessment]]) -> list[tuple[File, Assessment, Listed]]:
    """Return the stretches of files, by the verdict on the file, then by their weight and length."""
    found = [
        (file, quality, each)
        for file, quality in checked
        for each in (*quality["listed"], *map(_listed, quality.get("second_pass", ())))
    ]
    return sorted(
        found, key=lambda one: (ORDER.index(one[1]["verdict"]), one[2]["start"] is not None, -_weight(one[2]))
    )


def _listed(decided: Decided) -> Listed:
    """Return what the transcript has for a stretch of the second pass, and as the reason the other text."""
    if decided["taken"]:
        text, outcome, other = decided["after"], "taken", decided["before"]
    else:
        text, outcome, other = decided["before"], "not taken", decided["after"]
    why = f"new text {outcome}: {decided['why']}; the other text: {other or 'none'}"
    return Listed(kind=DECISION, why=why, start=decided["start"], end=decided["end"], text=text)


def _weight(listed: Listed) -> float:
    start, end = listed["start"], listed["end"]
    return 0.0 if start is None or end is None else (end - start) * WEIGHTS[listed["kind"]]


def listening_list(tracker: Tracker) -> bytes:
    """Return the list as CSV, in UTF-8 with the mark by which spreadsheets know it."""
    table = StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow(COLUMNS)
    for file, quality, each in worth_hearing(tracker):
        start, end = each["start"], each["end"]
        text = f"'{each['text']}" if each["text"].startswith(FORMULA) else each["text"]
        time = "" if start is None else clock(start)
        path = urls.shown(file.source.path)
        writer.writerow((path, time, start, end, quality["verdict"], each["kind"], text, each["why"]))
    return table.getvalue().encode("utf-8-sig", errors="backslashreplace")


def beside(report: str) -> str:
    """Return where the list of a report goes: it has the report's name, for one folder may hold those of many runs."""
    return f"{report.removesuffix('.json')}.listening.csv"
