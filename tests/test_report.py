"""flows/report.py: one truth for each file, whatever the order in which stages report."""

import json
from pathlib import Path

import pytest

from flows.bad_input import one_line
from flows.file_run import FileRun
from flows.report import Report
from tasks.audio import AudioFile
from tasks.write import Written


class Future:
    """What a report needs of a future: that it lets go."""

    released = False

    def release(self) -> None:
        """Remember that it did."""
        self.released = True


@pytest.fixture(name="file")
def _file() -> FileRun:
    file = FileRun(0, AudioFile("/in/a.wav", "a.wav", 12.5), "/out/a.{format}")
    Report([file])
    return file


def test_of_several_failures_the_first_counts(file: FileRun) -> None:
    """And a file that has failed is not done afterwards."""
    file.report.failed(file, "align: first")
    file.report.failed(file, "diarize: second")
    file.report.done(file, Written({"json": (1, 1)}, "en"))
    assert (file.status, file.error, file.written) == ("failed", "align: first", None)
    assert file.report.statuses == {"waiting": 0, "failed": 1}


def test_a_failed_file_is_let_go_when_its_last_task_run_is_through(file: FileRun) -> None:
    """The other branch may still read its audio."""
    report, audio = file.report, Future()
    file.futures["load audio"] = audio  # type: ignore[assignment]
    assert report.submitting(file)
    assert report.submitting(file)
    report.failed(file, "transcribe: no")
    report.stage_passed(file, "transcribe", 1.0)
    assert not audio.released
    report.stage_passed(file, "diarize", 1.0)
    assert audio.released
    assert not report.submitting(file)


def test_a_report_says_what_became_of_every_file(tmp_path: Path) -> None:
    """Also of those that a run which was cut short never came to; in the order of the inputs."""
    files = [FileRun(i, AudioFile(f"/in/{i}\udcff.wav", f"{i}.wav", 60.0), f"/out/{i}.{{format}}") for i in range(3)]
    report = Report(list(reversed(files)))
    report.done(files[1], Written({"json": (1, 1)}, "de"))
    report.failed(files[2], "load audio: UnreadableAudio: a\nb\x1b[31m")
    report.write(str(tmp_path / "new" / "report.json"))
    read = json.loads((tmp_path / "new" / "report.json").read_text())
    assert read["files"][0]["path"] == "/in/0\udcff.wav"
    assert [each["status"] for each in read["files"]] == ["failed", "done", "failed"]
    assert read["files"][0]["error"] == "the run ended before this file was done"
    assert (read["files"][1]["language"], read["files"][1]["outputs"]) == ("de", ["/out/1.json"])
    assert read["files"][2]["error"] == r"load audio: UnreadableAudio: a\nb\x1b[31m"
    assert (read["summary"]["done"], read["summary"]["failed"], read["summary"]["audio_s"]) == (1, 2, 60.0)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["report.json"]


def test_names_are_shown_on_one_line() -> None:
    """Whatever bytes they are of."""
    assert one_line("plain é 😀.wav") == "plain é 😀.wav"
    assert one_line("a\nb\udcff.wav") == r"a\nb\udcff.wav"
