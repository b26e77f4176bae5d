"""flows/reporting/tracker.py: one truth for each file, whatever the order in which stages report."""

import json
import shutil
from pathlib import Path

import pytest

from flows.planning.file_run import FileRun
from flows.reporting.outputs_check import fail_missing_outputs
from flows.reporting.report import summary_of, write_report
from flows.reporting.tracker import Tracker
from flows.state.ledger import Ledger
from tasks.audio.types import AudioFile
from tasks.errors import one_line, one_name
from tasks.storage.outputs import OutputPath
from tasks.written import WriteResult


class Future:
    """What a report needs of a future: that it lets go."""

    released = False

    def release(self) -> None:
        """Remember that it did."""
        self.released = True


@pytest.fixture(name="file")
def _file() -> FileRun:
    return FileRun(0, AudioFile("/in/a.wav", "a.wav", 12.5), OutputPath("/out", "", "a.{format}"))


def test_of_several_failures_the_first_counts(file: FileRun) -> None:
    """And a file that has failed is not done afterwards."""
    tracker = Tracker([file])
    tracker.failed(file, "align: first")
    tracker.failed(file, "diarize: second")
    tracker.done(file, WriteResult({"json": (1, 1)}, "en"))
    assert (file.status, file.error, file.written) == ("failed", "align: first", None)
    assert tracker.statuses == {"waiting": 0, "failed": 1}


def test_a_failed_file_is_let_go_when_its_last_task_run_is_through(file: FileRun) -> None:
    """The other branch may still read its audio."""
    tracker, audio = Tracker([file]), Future()
    file.futures["load audio"] = audio  # type: ignore[assignment]
    assert tracker.stage_started(file)
    assert tracker.stage_started(file)
    tracker.failed(file, "transcribe: no")
    tracker.stage_finished(file, "transcribe", 1.0)
    assert not audio.released
    tracker.stage_finished(file, "diarize", 1.0)
    assert audio.released
    assert not tracker.stage_started(file)


def test_a_report_says_what_became_of_every_file(tmp_path: Path) -> None:
    """Also of those that a run which was killed never came to; in the order of the inputs."""
    files = [
        FileRun(i, AudioFile(f"/in/{i}\udcff.wav", f"{i}.wav", 60.0), OutputPath("/out", "", f"{i}.{{format}}"))
        for i in range(3)
    ]
    tracker = Tracker(list(reversed(files)))
    tracker.done(files[1], WriteResult({"json": (1, 1)}, "de"))
    tracker.failed(files[2], "load audio: UnreadableAudio: a\nb\x1b[31m")
    write_report(tracker, str(tmp_path / "new" / "report.json"))
    read = json.loads((tmp_path / "new" / "report.json").read_text())
    assert read["files"][0]["path"] == "/in/0\udcff.wav"
    assert [each["status"] for each in read["files"]] == ["waiting", "done", "failed"]
    assert read["files"][0]["error"] is None
    assert (read["files"][1]["language"], read["files"][1]["outputs"]) == ("de", ["/out/1.json"])
    assert read["files"][2]["error"] == r"load audio: UnreadableAudio: a\nb\x1b[31m"
    summary = read["summary"]
    assert (summary["done"], summary["failed"], summary["waiting"], summary["audio_s"]) == (1, 1, 1, 60.0)
    assert summary["ended_early"] is None
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["report.json", "report.listening.csv"]


def planned(folder: Path, count: int) -> Tracker:
    """Return the tracker of files with the outputs .json and .srt in a folder."""
    files = [
        FileRun(i, AudioFile(f"/in/{i}.wav", f"{i}.wav", 60.0), OutputPath(str(folder), "", f"{i}.{{format}}"))
        for i in range(count)
    ]
    return Tracker(files, Ledger(folder, str(folder)))


def finish(tracker: Tracker, *files: FileRun) -> None:
    """Write the outputs of these files."""
    for file in files:
        written = {}
        for extension in ("json", "srt"):
            path = Path(file.output.render("en", extension))
            path.write_text("text")
            written[extension] = (path.stat().st_size, path.stat().st_mtime_ns)
        tracker.done(file, WriteResult(written, "en"))


def test_a_file_whose_output_was_removed_during_the_run_is_not_done(tmp_path: Path) -> None:
    """It fails, in the ledger too, with the name of what is gone; the others are done."""
    tracker = planned(tmp_path, 3)
    finish(tracker, *tracker.files)
    (tmp_path / "1.srt").unlink()
    fail_missing_outputs(tracker)
    assert [file.status for file in tracker.files] == ["done", "failed", "done"]
    assert tracker.files[1].error == "its output 1.srt was removed while the run went on; run the same command again"
    assert (summary_of(tracker)["done"], summary_of(tracker)["failed"], summary_of(tracker)["audio_s"]) == (2, 1, 120.0)
    assert tracker.files[1].record()["outputs"] == []
    assert tracker._ledger
    assert tracker._ledger.row("/in/1.wav")["status"] == "failed"


def test_a_whole_output_folder_that_was_removed_leaves_nothing_done(tmp_path: Path) -> None:
    """Such as a share that was unmounted."""
    tracker = planned(tmp_path / "out", 2)
    (tmp_path / "out").mkdir()
    finish(tracker, *tracker.files)
    shutil.rmtree(tmp_path / "out")
    fail_missing_outputs(tracker)
    assert tracker.statuses["done"] == 0


def test_what_still_waits_at_the_end_has_failed(tmp_path: Path) -> None:
    """Unless it was left: that a file was lost must not look like success."""
    tracker = planned(tmp_path, 3)
    finish(tracker, tracker.files[0])
    tracker.defer([tracker.files[1]])
    tracker.fail_remaining()
    assert [file.status for file in tracker.files] == ["done", "left", "failed"]
    assert "fault of whisperx-batch" in str(tracker.files[2].error)
    assert tracker.statuses["waiting"] == 0


def test_the_speed_counts_only_audio_that_was_decoded_in_this_run(tmp_path: Path) -> None:
    """To write another format of an hour takes a second, and says nothing about the next hour."""
    tracker = planned(tmp_path, 2)
    tracker.files[0].missing = frozenset({"write"})
    finish(tracker, *tracker.files)
    assert summary_of(tracker)["audio_s"] == 60.0


def test_a_tracker_counts_the_outcomes_that_planning_has_found(tmp_path: Path) -> None:
    """Whoever plans may not be who runs: the command plans, and the flow tracks."""
    files = planned(tmp_path, 3).files
    planning = Tracker(files)
    planning.failed_before(files[0], "not audio")
    planning.skipped(files[1], WriteResult({}, "en"))
    tracker = Tracker(files)
    assert (tracker.known_failures, tracker.new_failures) == (1, 0)
    assert tracker.statuses == {"failed": 1, "skipped": 1, "waiting": 1}


def test_names_are_shown_on_one_line() -> None:
    """Whatever bytes they are of."""
    assert one_line("plain é 😀.wav") == "plain é 😀.wav"
    assert one_line("a\nb\udcff.wav") == r"a\nb\udcff.wav"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("علی\u200cرضا", "علی\u200cرضا"),
        ("Zoë 👩\u200d💻", "Zoë 👩\u200d💻"),
        ("Marie\u00a0Curie", "Marie Curie"),
        ("a\nb\u202e", r"a\nb\u202e"),
    ],
)
def test_a_name_is_spelled_as_it_was_given(given: str, name: str) -> None:
    """Unless a terminal or a table would act on it."""
    assert one_name(given) == name
