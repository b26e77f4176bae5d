"""flows/reporting/console.py: what people see, on a terminal and in a log."""

import io
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from rich.console import Console

from flows.planning.file_run import FileRun
from flows.reporting.console import duration, show_plan, show_summary
from flows.reporting.live import Progress
from flows.reporting.tracker import Tracker
from tasks.audio.types import AudioFile
from tasks.stage_table import STAGES
from tasks.storage.outputs import OutputPath
from tasks.write import WriteResult


def batch(count: int = 4) -> Tracker:
    """Return the tracker of files of one minute."""
    return Tracker(
        [
            FileRun(i, AudioFile(f"/in/{i}.wav", f"{i}.wav", 60.0), OutputPath("/out", "", f"{i}.{{format}}"))
            for i in range(count)
        ]
    )


def pools(**running: int) -> Any:
    """Return what the display needs of pools: how many task runs there are in each stage."""
    return SimpleNamespace(running=dict.fromkeys(STAGES, 0) | running)


def test_a_log_gets_a_few_plain_lines() -> None:
    """Without colours, bars or cursor movements."""
    text, tracker = io.StringIO(), batch()
    with Progress(tracker, pools(), Console(file=text, width=100)).shown():
        tracker.done(tracker.files[0], WriteResult({}, "en"))
        time.sleep(1.5)
    assert text.getvalue().startswith("1/4 files · 0 failed · ")
    assert "left" in text.getvalue()
    assert "\x1b" not in text.getvalue()


def test_a_terminal_shows_each_stage_and_the_totals() -> None:
    """While it runs; and leaves the screen clean for the summary."""
    text, tracker = io.StringIO(), batch()
    console = Console(file=text, width=100, force_terminal=True)
    with Progress(tracker, pools(transcribe=2), console).shown():
        tracker.stage_started(tracker.files[0])
        tracker.stage_finished(tracker.files[0], "load audio", 1.0)
        tracker.failed(tracker.files[1], "no")
        time.sleep(0.6)
    shown = text.getvalue()
    assert "transcribe" in shown
    assert "2 running" in shown
    assert "1 through" in shown
    assert "1/4 files · 1 failed" in shown


def test_the_plan_names_what_is_done_and_what_is_not() -> None:
    """With the reasons, and the totals last."""
    text, tracker = io.StringIO(), batch(3)
    tracker.files[0].missing = frozenset({"load audio", "transcribe", "align", "write"})
    tracker.failed(tracker.files[1], "the file is empty")
    tracker.skipped(tracker.files[2], WriteResult({}, "en"))
    tracker.files[0].source = replace(tracker.files[0].source, track="aac, track 1 of 2")
    show_plan(tracker.files, Console(file=text, width=40), every_file=True)
    assert text.getvalue().splitlines() == [
        "do      0.wav (0:01:00, aac, track 1 of 2): transcribe, align, write -> /out/0.*",
        "refuse  1.wav: the file is empty",
        "skip    2.wav: done before",
        "1 file to do, 0:01:00 of audio; 1 done before; 1 refused",
    ]


def test_the_summary_gives_failures_first() -> None:
    """A name in square brackets is a name, not a colour."""
    text, tracker = io.StringIO(), batch(2)
    tracker.files[0].source = AudioFile("/in/[red].wav", "[red].wav", 60.0)
    tracker.failed(tracker.files[0], "load audio: not audio")
    tracker.done(tracker.files[1], WriteResult({}, "en"))
    show_summary(tracker, Console(file=text, width=40))
    first, second = text.getvalue().splitlines()
    assert first == "failed  [red].wav: load audio: not audio"
    assert second.startswith("2 files: 1 done, 1 failed, 0 skipped; 0:01:00 of audio in 0:00:00, ")


def test_a_run_that_decoded_nothing_has_no_speed() -> None:
    """As one that only writes another format."""
    text, tracker = io.StringIO(), batch(1)
    tracker.files[0].missing = frozenset({"write"})
    tracker.done(tracker.files[0], WriteResult({}, "en"))
    show_summary(tracker, Console(file=text, width=40))
    assert text.getvalue() == "1 file: 1 done, 0 failed, 0 skipped; no new audio, in 0:00:00\n"


def test_a_run_that_was_cut_short_prints_no_line_for_what_is_left() -> None:
    """Only how much it is."""
    text, tracker = io.StringIO(), batch(4)
    tracker.failed(tracker.files[0], "load audio: not audio")
    tracker.defer(tracker.files)
    show_summary(tracker, Console(file=text, width=40))
    first, second = text.getvalue().splitlines()
    assert first.startswith("failed  0.wav")
    assert second.startswith("4 files: 0 done, 1 failed, 0 skipped, 3 left for the next run; ")


def test_durations_read_as_people_write_them() -> None:
    """Hours, minutes, seconds."""
    assert [duration(s) for s in (0.4, 9, 3_723, 180_000)] == ["0:00:00", "0:00:09", "1:02:03", "2 days, 2:00:00"]
