"""flows/reporting/listening.py, and the verdicts in report, summary and artifact."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from flows.planning.file_run import FileRun
from flows.reporting.console import show_summary
from flows.reporting.markdown.texts import report_text
from flows.reporting.report import write_report
from flows.reporting.tracker import Tracker
from tasks.audio.types import AudioFile
from tasks.quality.assessment import Assessment, assess
from tasks.quality.coverage import Coverage
from tasks.quality.transcript import Finding
from tasks.quality.verdict import Decision, judge
from tasks.storage.outputs import OutputPath
from tasks.written import WriteResult


def assessment(*findings: Finding, speech_s: float = 100.0, covered_s: float = 90.0) -> Assessment:
    """Return what is kept of a check with these findings."""
    return assess(judge(findings, Coverage(speech_s, covered_s), check_share=0.05, bad_share=0.3), "check/v2/1-2")


@pytest.fixture(name="tracker")
def _tracker() -> Tracker:
    """A run of five files: good with a stretch, to check, bad, of an earlier version, failed."""
    qualities = [
        assessment(Finding("missing", "2.0 s of speech without text", 3.0, 5.0)),
        assessment(
            Finding("timing", "a length that cannot be", 50.0, 58.0, "odd"),
            Finding("invented", "repetitive", 10.0, 17.0, "=1+1"),
        ),
        assessment(Finding("missing", "only 40% of the speech has text", grave=True), covered_s=40.0),
        None,
    ]
    tracker = Tracker(
        [
            FileRun(i, AudioFile(f"/in/{i}.wav", f"{i}.wav", 120.0), OutputPath("/out", "", f"{i}.{{format}}"))
            for i in range(5)
        ]
    )
    for file, quality in zip(tracker.files, qualities, strict=False):
        tracker.done(file, WriteResult({"json": (1, 1)}, "en", quality=quality))
    tracker.failed(tracker.files[4], "no audio")
    return tracker


def rows(content: str) -> list[dict[str, Any]]:
    """Return the rows of the list."""
    return list(csv.DictReader(io.StringIO(content)))


def test_the_list_has_the_worst_first(tracker: Tracker, tmp_path: Path) -> None:
    """Bad files, then those to check, then stretches of good ones; each with the time, the text and the reason."""
    write_report(tracker, str(tmp_path / "night.json"))
    found = rows((tmp_path / "night.listening.csv").read_text("utf-8-sig"))
    assert [(row["file"], row["time"], row["verdict"]) for row in found] == [
        ("/in/2.wav", "", "bad"),
        ("/in/1.wav", "0:00:10", "check"),
        ("/in/1.wav", "0:00:50", "check"),
        ("/in/0.wav", "0:00:03", "good"),
    ]
    assert (found[1]["start"], found[1]["end"], found[1]["kind"]) == ("10.0", "17.0", "invented")
    assert found[1]["text"] == "'=1+1", "a spreadsheet would compute it"
    assert found[0]["why"] == "only 40% of the speech has text"


def test_the_report_has_each_verdict_and_the_totals(tracker: Tracker, tmp_path: Path) -> None:
    """Of all files; one that was not checked has none."""
    write_report(tracker, str(tmp_path / "report.json"))
    report = json.loads((tmp_path / "report.json").read_text())
    assert [each["verdict"] for each in report["files"]] == ["good", "check", "bad", None, None]
    assert report["files"][1]["reasons"] == [
        "invented: repetitive at 0:00:10",
        "timing: a length that cannot be at 0:00:50",
    ]
    assert report["summary"]["verdicts"] == {"bad": 1, "check": 1, "good": 1}
    assert (report["summary"]["speech_s"], report["summary"]["speech_with_text_s"]) == (300.0, 220.0)


def test_people_see_which_transcripts_are_in_doubt(tracker: Tracker) -> None:
    """At the end on the terminal, and in the report in Prefect."""
    text = io.StringIO()
    show_summary(tracker, Console(file=text, width=200))
    shown = text.getvalue()
    assert shown.index("bad     2.wav: only 40%") < shown.index("check   1.wav: invented: repetitive at 0:00:10")
    assert "transcripts: 1 bad, 1 check, 1 good; 0:05:00 of speech, 73% with text" in shown
    markdown = report_text(tracker)
    assert markdown.index("## Worth an ear") < markdown.index("- 1.wav, 0:00:10: repetitive “=1+1”")
    assert "| 2.wav | done | bad | en |" in markdown


def test_the_report_in_prefect_shows_verdicts_and_coverage_as_bars(tracker: Tracker) -> None:
    """The longest bar is that of most files; files without speech have no coverage."""
    tracker.files[3].written = WriteResult({}, "en", quality=assessment(speech_s=0.0, covered_s=0.0))
    lines = report_text(tracker).splitlines()
    assert [line for line in lines if line.startswith(("| good", "| check", "| bad"))] == [
        f"| bad | 1 | {'█' * 10} |",
        f"| check | 1 | {'█' * 10} |",
        f"| good | 2 | {'█' * 20} |",
    ]
    assert [line for line in lines if "% to" in line] == [
        f"| 0% to 50% | 1 | {'█' * 10} |",
        "| 50% to 70% | 0 |  |",
        "| 70% to 90% | 0 |  |",
        f"| 90% to 95% | 2 | {'█' * 20} |",
        "| 95% to 100% | 0 |  |",
    ]


def test_decisions_of_a_second_pass_are_listed_with_the_other_text(tracker: Tracker, tmp_path: Path) -> None:
    """Those that were taken have the new text, the others the old one."""
    both = [Decision(10.0 * i, 10.0 * i + 5, ["odd"], bool(i), "why", "old", "new", []) for i in range(2)]
    quality = replace(judge((), Coverage(10.0, 10.0), check_share=0.05, bad_share=0.3), second_pass=both)
    tracker.files[3].written = WriteResult({}, "en", quality=assess(quality, "check/v2/1-2"))
    write_report(tracker, str(tmp_path / "night.json"))
    found = rows((tmp_path / "night.listening.csv").read_text("utf-8-sig"))
    assert [(row["time"], row["kind"], row["text"], row["why"]) for row in found if row["file"] == "/in/3.wav"] == [
        ("0:00:00", "second pass", "old", "new text not taken: why; the other text: new"),
        ("0:00:10", "second pass", "new", "new text taken: why; the other text: old"),
    ]
    report = json.loads((tmp_path / "night.json").read_text())
    assert [each["taken"] for each in report["files"][3]["second_pass"]] == [False, True]


def test_without_checks_there_is_no_list(tmp_path: Path) -> None:
    """With --no_check; but an empty list, if all is well, says so."""
    for name, stages in (("unchecked", frozenset({"write"})), ("well", frozenset({"check", "write"}))):
        file = FileRun(0, AudioFile("/in/a.wav", "a.wav"), OutputPath("/out", "", "a.{format}"), stages=stages)
        write_report(Tracker([file]), str(tmp_path / f"{name}.json"))
    assert not (tmp_path / "unchecked.listening.csv").exists()
    assert rows((tmp_path / "well.listening.csv").read_text("utf-8-sig")) == []
