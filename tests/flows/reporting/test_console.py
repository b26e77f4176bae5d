"""flows/reporting/console.py: what people see, on a terminal and in a log."""

import io
import re
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from flows.planning.file_run import FileRun
from flows.reporting.console import duration, show_plan, show_summary, speed
from flows.reporting.live import Progress
from flows.reporting.tracker import Tracker
from flows.reporting.work import Work
from tasks.audio.types import AudioFile
from tasks.stage_table import SECOND_PASS, STAGES
from tasks.storage.outputs import OutputPath
from tasks.written import WriteResult


def batch(count: int = 4) -> Tracker:
    """Return the tracker of files of one minute."""
    return Tracker(
        [
            FileRun(i, AudioFile(f"/in/{i}.wav", f"{i}.wav", 60.0), OutputPath("/out", "", f"{i}.{{format}}"))
            for i in range(count)
        ]
    )


def finish(tracker: Tracker, number: int, **timings_s: float) -> None:
    """Let a file come through all stages."""
    file = tracker.files[number]
    for stage in STAGES:
        if stage in file.missing and tracker.stage_started(file):
            tracker.stage_finished(file, stage, timings_s.get(stage.replace(" ", "_"), 1.0))
    tracker.done(file, WriteResult({}, "en"))


def pools(**running: int) -> Any:
    """Return what the display needs of pools: how many task runs there are in each stage."""
    return SimpleNamespace(running=dict.fromkeys(STAGES, 0) | running)


def test_a_log_gets_a_line_a_minute_with_the_time_and_failures_as_they_happen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without colours, bars or cursor movements."""
    monkeypatch.setattr("flows.reporting.live.LOG_EVERY_S", 1.5)
    text, tracker = io.StringIO(), batch()
    with Progress(tracker, pools(transcribe=1), Console(file=text, width=20)).shown():
        tracker.failed(tracker.files[3], "transcribe: no [luck]")
        finish(tracker, 0, transcribe=60.0)
        time.sleep(2.5)
    failed, line = text.getvalue().splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d  failed  3.wav: transcribe: no \[luck\]", failed)
    assert re.fullmatch(r"\d\d:\d\d:\d\d  2/4 files · 1 failed · [\d.]+× real time · about \d:\d\d:\d\d left", line)


@pytest.mark.parametrize("width", [80, 200])
def test_a_terminal_shows_what_is_to_do_the_stages_and_the_files_in_work(width: int) -> None:
    """In its width, but for a "^C"; files that were done before do not count; the screen is clean for the summary."""
    text, tracker = io.StringIO(), batch(6)
    for number in (4, 5):
        tracker.skipped(tracker.files[number], WriteResult({}, "en"))
    tracker.files[1].source = replace(tracker.files[1].source, name="a [long] name " * 20)
    console = Console(file=text, width=width, force_terminal=True)
    with Progress(tracker, pools(transcribe=2), console).shown():
        finish(tracker, 0)
        tracker.failed(tracker.files[3], "no")
        tracker.files[1].begun = True
        tracker.stage_started(tracker.files[1])
        time.sleep(2.5)
    plain = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", text.getvalue()).replace("\r", "").splitlines()
    overall = next(line for line in reversed(plain) if line.startswith("all files"))
    assert "━ " in overall
    assert overall.split()[-1] == "2/4"
    transcribe = next(line for line in reversed(plain) if line.startswith("transcribe "))
    assert transcribe.endswith("1/3 2 running")
    assert len(transcribe) == width - len("^C")
    assert any(line.startswith("2/4 files · 1 failed · ") and "× real time · about " in line for line in plain)
    in_work = next(line for line in reversed(plain) if line.startswith("a [long] name"))
    assert "…  load audio  0:00:0" in in_work
    assert len(in_work) == width - len("^C")


def test_the_progress_of_a_run_that_has_ended_counts_every_file() -> None:
    """Also those that came through within the second before; nothing is in work, and no time is left."""
    tracker = batch(3)
    progress = Progress(tracker, pools(), Console(file=io.StringIO()))
    progress.text()
    finish(tracker, 0)
    finish(tracker, 1)
    tracker.files[2].begun = True
    progress.text()
    progress.end()
    text = progress.text()
    assert text.splitlines()[0].startswith("ended · 2/3 files · 0 failed · ")
    assert "- align: 2 of 3 files\n" in text
    assert not any(word in text for word in ("left", "finishing", "In work", "running"))


def test_the_time_left_is_that_of_the_slowest_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the speed of each since it took up the first file that it has finished; models load before that."""
    now = 1000.0
    monkeypatch.setattr("flows.reporting.work.time.monotonic", lambda: now)
    tracker = batch(5)
    work = Work(tracker.files)
    assert work.seconds_left() is None
    for number in range(2):  # a minute of audio in 10 s by the slowest stage, and another one
        now += 10.0
        finish(tracker, number, transcribe=10.0, align=2.0)
        work.look()
    assert work.seconds_left() == pytest.approx(3 * 10.0)
    now += 4.0
    assert work.seconds_left() == pytest.approx(3 * 10.0 - 4.0)
    tracker.failed(tracker.files[4], "no")
    now += 1.0
    work.look()
    assert work.seconds_left() == pytest.approx(2 * 10.0 - 5.0)
    assert [file.source.name for file in work.newly_failed()] == ["4.wav"]
    assert work.newly_failed() == []
    tracker.files[2].missing = frozenset({"write"})  # the results of an earlier run were found when it was read
    finish(tracker, 2)
    finish(tracker, 3, transcribe=10.0)
    now += 1.0
    work.look()
    assert work.seconds_left() == 0.0
    assert (work.stages["transcribe"].finished, work.stages["write"].finished) == (3, 4)


def test_a_file_counts_for_its_own_duration_once_it_was_opened() -> None:
    """Until then for an estimate."""
    tracker = batch(2)
    file = tracker.files[0]
    opened, file.source, file.unopened = file.source, replace(file.source, duration_s=0.0, size=3_200_000), True
    work = Work(tracker.files)
    tracker.opened(file, replace(opened, duration_s=600.0))
    file.begun = True
    work.look()
    assert work.audio_s == 660.0
    assert work.stages["transcribe"].audio_s == 660.0


def test_looking_at_a_hundred_thousand_files_costs_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is done every second while the run goes on. The quickest look counts: others may be disturbed."""
    monkeypatch.setattr("flows.reporting.work.LOOK_EVERY_S", 0.0)
    work, took = Work(batch(100_000).files), []
    for _ in range(5):
        began = time.thread_time()
        work.look()
        took.append(time.thread_time() - began)
    assert min(took) < 0.1


def test_the_plan_names_what_is_done_and_what_is_not() -> None:
    """With the reasons, and the totals last."""
    text, tracker = io.StringIO(), batch(3)
    tracker.files[0].missing = frozenset({"load audio", "transcribe", "align", "write"})
    tracker.failed(tracker.files[1], "the file is empty")
    tracker.skipped(tracker.files[2], WriteResult({}, "en"))
    tracker.files[0].source = replace(tracker.files[0].source, track="aac, track 1 of 2")
    tracker.files[0].output = OutputPath("/out", "", "new\nline.{format}")
    show_plan(tracker.files, Console(file=text, width=40), every_file=True)
    assert text.getvalue().splitlines() == [
        "do      0.wav (0:01:00, aac, track 1 of 2): transcribe, align, write -> /out/new\\nline.*",
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


def test_durations_and_speeds_read_as_people_write_them() -> None:
    """Hours, minutes, seconds; a large model on a CPU is slower than real time."""
    assert [speed(times) for times in (210.04, 3.58, 0.042)] == [f"{s}× real time" for s in ("210.0", "3.6", "0.04")]
    assert [duration(s) for s in (0.4, 9, 3_723, 180_000)] == ["0:00:00", "0:00:09", "1:02:03", "2 days, 2:00:00"]


def test_the_time_left_does_not_wait_for_a_second_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most files do not need it, which is known only once they are checked."""
    now = 1000.0
    monkeypatch.setattr("flows.reporting.work.time.monotonic", lambda: now)
    tracker = batch(3)
    for file in tracker.files:
        file.stages = file.missing = frozenset(STAGES)
    work = Work(tracker.files)
    tracker.files[0].leave_out(SECOND_PASS)
    now += 10.0
    finish(tracker, 0, transcribe=10.0)
    work.look()
    assert work.seconds_left() == pytest.approx(2 * 10.0)
    assert (work.stages["check again"].files, work.stages["check"].files) == (2, 3)
