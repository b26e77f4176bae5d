"""Outputs that cannot collide, what is there already, what is missing."""

import json
import os
import shutil
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from batches import ALL, batch_of, do, missing, planned, with_manifest
from conftest import SAMPLES, TWO_SPEAKERS

from flows.planning.file_run import RATES
from flows.planning.plan import Plan
from flows.planning.read_ahead import remaining
from flows.planning.selection import checked_entries
from flows.reporting.console import plan_line
from flows.reporting.tracker import Tracker
from flows.state.folder import OutputFolder
from flows.state.run_lock import exclusive_run
from tasks.errors import InvalidInput
from tasks.storage.io import digest_of, read, write_all
from tasks.storage.results import VERSION


@pytest.fixture(name="speech")
def _speech(tmp_path: Path) -> Path:
    """Two files of different sizes."""
    folder = tmp_path / "speech"
    folder.mkdir()
    shutil.copy(TWO_SPEAKERS, folder / "call.wav")
    shutil.copy(SAMPLES / "en" / "hello_world.wav", folder / "hello.wav")
    return folder


def test_a_file_has_the_same_name_in_every_run(tmp_path: Path) -> None:
    """Whatever other inputs there are: it is that under which its outputs lie."""
    for name in ("a {1}/one.wav", "b/two.wav"):
        (tmp_path / "speech" / name).parent.mkdir(parents=True)
        shutil.copy(SAMPLES / "en" / "hello_world.wav", tmp_path / "speech" / name)
    batch = batch_of(tmp_path / "speech")
    assert planned(batch).keys() == {"a {1}/one.wav", "b/two.wav"}
    do(batch, "transcribe", "align", "write")
    alone = batch_of(tmp_path / "speech", inputs={"inputs": [str(tmp_path / "speech" / "a {1}")]})
    assert planned(alone).keys() == {"a {1}/one.wav"}


def test_the_plan_is_longest_first_and_says_what_cannot_be_read(speech: Path) -> None:
    """An empty file has failed before any is opened; the others are not touched by it."""
    (speech / "empty.wav").touch()
    batch = batch_of(speech)
    plan = Plan(batch, checked_entries(batch), OutputFolder.of(batch).ledger())
    tracker = Tracker.of(plan)
    plan.recall(tracker)
    assert [(file.status, file.error) for file in plan.files][1] == ("failed", "the file is empty")
    plan.probe(tracker)
    assert [file.source.name for file in plan.waiting()] == ["call.wav", "hello.wav"]
    assert plan.waiting()[0].source.duration_s == pytest.approx(30)


def test_a_file_is_opened_at_the_latest_when_it_is_its_turn(speech: Path) -> None:
    """Ordered by estimates until then; what cannot be read fails; what was opened needs not be opened again."""
    (speech / "letter.wav").write_text("Dear Sir or Madam,\n" * 99)
    batch = batch_of(speech)
    with exclusive_run(OutputFolder.of(batch).state_dir):
        plan = Plan(batch, checked_entries(batch), OutputFolder.of(batch).ledger())
        tracker = Tracker.of(plan)
        plan.recall(tracker)
        plan.begin()
        plan.probe(tracker, seconds=0)
        assert [file.source.name for file in plan.unopened()] == ["call.wav", "hello.wav", "letter.wav"]
        size = sum(path.stat().st_size for path in speech.iterdir())
        assert sum(file.expected_s for file in plan.waiting()) == pytest.approx(size / RATES[".wav"])
        assert plan_line(plan.files) == "3 files to do, about 0:00:16 of audio"
        files = list(remaining(plan.waiting(), partial(plan.identify, tracker)))
        plan.ledger.share()
    assert [(file.source.name, round(file.source.duration_s)) for file in files] == [("call.wav", 30), ("hello.wav", 1)]
    assert plan_line(plan.files) == "2 files to do, 0:00:31 of audio; 1 refused"
    assert all(file.expected_s == file.source.duration_s for file in files)
    again = Plan(batch, checked_entries(batch), OutputFolder.of(batch).ledger())
    again.recall(Tracker.of(again))
    assert again.unopened() == []
    assert [file.source for file in again.waiting()] == [file.source for file in files]


def test_what_may_block_or_loop_is_refused_before_it_is_opened(speech: Path) -> None:
    """A FIFO, a device, a symbolic link to itself."""
    os.mkfifo(speech / "fifo.wav")
    (speech / "device.wav").symlink_to("/dev/zero")
    (speech / "loop.wav").symlink_to(speech / "loop.wav")
    files = planned(batch_of(speech))
    assert {name: file.error for name, file in files.items() if file.status == "failed"} == {
        "fifo.wav": "not a regular file",
        "device.wav": "not a regular file",
        "loop.wav": "cannot be opened: Too many levels of symbolic links",
    }


def test_a_done_file_is_skipped_and_not_even_opened(speech: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its size and mtime are enough."""
    batch = batch_of(speech)
    do(batch, "transcribe", "align", "write")
    monkeypatch.setattr("flows.planning.sources.known.probe", lambda _: pytest.fail("a file was opened"))
    monkeypatch.setattr("flows.state.ledger.digest_of", lambda *_: pytest.fail("a file was read"))
    files = planned(batch)
    assert {file.status for file in files.values()} == {"skipped"}
    assert len(files["call.wav"].record()["outputs"]) == 5


def test_a_done_file_and_its_outputs_are_looked_at_once(speech: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a network share each look takes its time, and there may be 100,000 files."""
    batch = batch_of(speech)
    do(batch, "transcribe", "align", "write")
    shutil.rmtree(OutputFolder.of(batch).state_dir / "writing")  # as a run that was not cut short leaves it
    looks: Counter[str] = Counter()
    stat = os.stat

    def counted(path: Any, **options: Any) -> os.stat_result:
        looks[str(path)] += 1
        return stat(path, **options)

    monkeypatch.setattr(os, "stat", counted)
    for file in planned(batch).values():
        assert file.status == "skipped"
        assert {looks[path] for path in (file.source.path, *file.outputs())} == {1}


def test_a_run_with_nothing_to_do_leaves_the_ledger_as_it_is(speech: Path) -> None:
    """Once it has no line too many: that of 100,000 files takes seconds to write."""
    batch = batch_of(speech)
    do(batch, "transcribe", "align", "write")
    written = []
    for _ in range(3):
        plan = Plan(batch, checked_entries(batch), OutputFolder.of(batch).ledger())
        plan.recall(tracker := Tracker.of(plan))
        assert tracker.statuses["skipped"] == len(plan.files)
        plan.ledger.begin({})
        plan.ledger.share()
        written.append(os.stat(OutputFolder.of(batch).state_dir / "ledger.jsonl").st_ino)
    assert written[1] == written[2]


def test_a_file_that_changes_while_it_is_read_fails(speech: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its digest would be that of neither content; the next run does it."""

    def reading(path: str, stop: Any) -> str:
        digest = digest_of(path, stop)
        os.utime(path, ns=(1, 1))
        return digest

    batch = batch_of(speech)
    with monkeypatch.context() as patched:
        patched.setattr("flows.state.ledger.digest_of", reading)
        assert {"the file was changed while the batch ran; run again"} == {
            file.error for file in planned(batch).values()
        }
    assert missing(batch).keys() == {"call.wav", "hello.wav"}


def test_outputs_decide_whether_a_file_is_done_not_stored_results(speech: Path) -> None:
    """Where the results have been removed to save room, a file is done as long as its outputs are there."""
    batch = batch_of(speech)
    do(batch, "transcribe", "align", "write")
    shutil.rmtree(OutputFolder.of(batch).results)
    assert missing(batch) == {}
    (speech.parent / "out" / "hello.srt").unlink()
    assert missing(batch) == {"hello.wav": ALL}


def test_a_file_starts_at_its_first_missing_stage(speech: Path) -> None:
    """A transcript is there: it is aligned. A format is missing: it is written, and no audio is decoded."""
    batch = batch_of(speech)
    do(batch, "transcribe")
    assert missing(batch)["call.wav"] == {"load audio", "align", "check", "write"}
    do(batch, "align", "write")
    assert missing(batch) == {}
    other = batch_of(speech, write={"output_dir": str(speech.parent / "out"), "output_format": "aud"})
    assert missing(other) == {"call.wav": {"write"}, "hello.wav": {"write"}}


def test_another_diarization_redoes_diarization_alone(speech: Path) -> None:
    """Transcript and alignment are those of before."""
    do(batch_of(speech), "transcribe", "align")
    with_speakers = batch_of(speech, diarize={"diarize_model": "some/pipeline"})
    assert missing(with_speakers)["call.wav"] == {"load audio", "diarize", "check", "write"}
    do(with_speakers, "diarize", "check")
    assert missing(with_speakers)["call.wav"] == {"write"}
    other = batch_of(speech, diarize={"diarize_model": "some/pipeline", "max_speakers": 2})
    assert missing(other)["call.wav"] == {"load audio", "diarize", "check", "write"}


@pytest.mark.parametrize(
    ("options", "redone"),
    [
        ({"transcribe": {"model": "tiny", "language": "en", "batch_size": 1, "print_progress": True}}, {}),
        ({"models": {"device": "cpu", "threads": 3}, "pools": {"transcribe_actor_size": 2}}, {}),
        ({"transcribe": {"model": "tiny", "language": "en", "best_of": 1}}, {}),
        ({"transcribe": {"model": "tiny", "language": "en", "beam_size": 1}}, ALL),
        ({"transcribe": {"model": "base", "language": "en"}}, ALL),
        ({"align": {"interpolate_method": "linear"}}, ALL - {"transcribe"}),
    ],
)
def test_only_what_changes_the_output_counts(speech: Path, options: dict[str, Any], redone: set[str]) -> None:
    """Not batch sizes, devices, pools, nor what WhisperX never reads."""
    do(batch_of(speech), "transcribe", "align", "write")
    assert missing(batch_of(speech, **options)).get("call.wav", {}) == redone


def test_a_renamed_file_needs_nothing_but_its_outputs(speech: Path) -> None:
    """And a copy neither: its content is known."""
    batch = batch_of(speech)
    do(batch, "transcribe", "align", "write")
    (speech / "call.wav").rename(speech / "kept.wav")
    shutil.copy(speech / "kept.wav", speech / "copy.wav")
    assert missing(batch) == {"kept.wav": {"write"}, "copy.wav": {"write"}}


def test_a_file_whose_content_has_changed_is_done_anew(speech: Path) -> None:
    """Under the same name; its outputs are ours to replace."""
    batch = batch_of(speech)
    do(batch, "transcribe", "align", "write")
    shutil.copy(SAMPLES / "en" / "counting.wav", speech / "hello.wav")
    assert missing(batch) == {"hello.wav": ALL}


def test_a_refused_file_is_remembered_as_its_content_is(speech: Path) -> None:
    """Its content is new there and known elsewhere; once nothing is in its way, it has not the length of the old."""
    batch = batch_of(speech)
    do(batch, "transcribe", "align", "write")
    shutil.copy(speech / "call.wav", speech / "hello.wav")
    (speech.parent / "out" / "hello.txt").write_text("Hello, Word!")
    larger = batch_of(speech, transcribe={"model": "base", "language": "en"})
    assert planned(larger)["hello.wav"].status == "failed"
    (speech.parent / "out" / "hello.txt").unlink()
    assert planned(larger)["hello.wav"].source.duration_s == pytest.approx(30)


def test_a_result_that_was_cut_short_is_made_again(speech: Path) -> None:
    """Prefect does not write it in one step."""
    batch = batch_of(speech)
    do(batch, "transcribe")
    results = sorted(Path(OutputFolder.of(batch).results, "transcribe", VERSION).iterdir())
    os.truncate(results[0], 100)
    assert sorted(map(len, missing(batch).values())) == [4, 5]


def test_an_output_that_somebody_corrected_is_left_alone(speech: Path) -> None:
    """With the same options it is done; with others nobody may write over it, and no work is done in vain."""
    batch = batch_of(speech)
    do(batch, "transcribe", "align", "write")
    corrected = speech.parent / "out" / "hello.txt"
    corrected.write_text("Hello, Word!")
    assert missing(batch) == {"hello.wav": {"write"}}
    do(batch, "write")
    assert corrected.read_text() == "Hello, Word!"
    assert missing(batch) == {}
    larger = batch_of(speech, transcribe={"model": "base", "language": "en"})
    refused = planned(larger)["hello.wav"]
    assert (refused.status, str(refused.error).partition(" is there")[0]) == ("failed", "hello.txt")
    overwriting = larger.model_copy(update={"run": larger.run.model_copy(update={"overwrite": True})})
    assert missing(overwriting)["hello.wav"] == ALL


def test_what_others_wrote_is_not_overwritten(speech: Path) -> None:
    """Refused before any work; an empty file is no loss."""
    batch = batch_of(speech)
    out = speech.parent / "out"
    out.mkdir()
    (out / "call.json").write_text("{}")
    (out / "hello.json").touch()
    files = planned(batch)
    assert "call.json is there and was not written by whisperx-batch" in str(files["call.wav"].error)
    assert files["hello.wav"].status == "waiting"


def test_two_inputs_of_one_name_in_two_runs_do_not_share_an_output(speech: Path) -> None:
    """Monday's `hello` is not replaced by Tuesday's, nor taken for it; nor while Monday's share is not mounted."""
    monday = batch_of(speech)
    do(monday, "transcribe", "align", "write")
    tuesday = speech.parent / "tuesday"
    tuesday.mkdir()
    shutil.copy(SAMPLES / "en" / "counting.wav", tuesday / "hello.wav")
    file = planned(batch_of(speech, inputs={"inputs": [str(tuesday)]}))["hello.wav"]
    assert f"is there and was written for {speech / 'hello.wav'}" in str(file.error)
    assert missing(monday) == {}
    (speech / "hello.wav").unlink()
    file = planned(batch_of(speech, inputs={"inputs": [str(tuesday)]}))["hello.wav"]
    assert f"is there and was written for {speech / 'hello.wav'}" in str(file.error)


def test_all_formats_that_were_written_stay_ours(speech: Path) -> None:
    """Also after a run with fewer of them: other options may replace them."""
    do(batch_of(speech), "transcribe", "align", "write")
    out = {"output_dir": str(speech.parent / "out")}
    assert missing(batch_of(speech, write={**out, "output_format": "srt"})) == {}
    assert missing(batch_of(speech, transcribe={"model": "base", "language": "en"})) == {
        "call.wav": ALL,
        "hello.wav": ALL,
    }


def test_an_output_folder_may_be_moved(speech: Path) -> None:
    """What is known lies in it."""
    do(batch_of(speech), "transcribe", "align", "write")
    (speech.parent / "out").rename(speech.parent / "moved")
    assert missing(batch_of(speech, write={"output_dir": str(speech.parent / "moved")})) == {}


def test_overwrite_redoes_everything(speech: Path) -> None:
    """Although all is there."""
    batch = batch_of(speech, run={"overwrite": True})
    do(batch, "transcribe", "align", "write")
    assert missing(batch) == {"call.wav": ALL, "hello.wav": ALL}


def test_only_failed_drives_those_that_did_not_come_through(speech: Path) -> None:
    """Of the last run, whose inputs need not be named again, or of a report; a run that was killed counts."""
    with pytest.raises(InvalidInput, match="no earlier run"):
        checked_entries(batch_of(speech, inputs={"only": "failed"}))
    do(batch_of(speech), "transcribe", "align", "write")
    (speech / "broken.wav").write_text("no audio")
    planned(batch_of(speech))
    again = batch_of(speech, inputs={"only": "failed"})
    assert set(planned(again)) == {"broken.wav"}
    report = speech.parent / "report.json"
    records = [{"path": str(speech / f"{status}.wav"), "status": status} for status in ("done", "failed", "left")]
    report.write_text(json.dumps({"files": records}))
    named = batch_of(speech, inputs={"only": "failed", "of_report": str(report)})
    assert set(planned(named)) == {"failed.wav", "left.wav"}
    report.write_text(json.dumps({"files": records[:2]}))  # by a later run of the same process
    assert set(planned(named)) == {"failed.wav"}
    with pytest.raises(InvalidInput, match="no report of this program"):
        checked_entries(batch_of(speech, inputs={"only": "failed", "of_report": str(speech / "call.wav")}))


def test_one_run_at_a_time_writes_to_an_output_folder(speech: Path) -> None:
    """The same process may lock it twice; a dry run needs no lock."""
    batch = batch_of(speech)
    with exclusive_run(OutputFolder.of(batch).state_dir), exclusive_run(OutputFolder.of(batch).state_dir):
        pass
    assert OutputFolder.of(batch).state_dir.stat().st_mode & 0o777 == 0o700


def test_a_files_own_options_change_what_is_done_with_it_alone(speech: Path) -> None:
    """Another language in the manifest makes another transcript; the other file is done."""
    paths = [{"path": str(speech / name)} for name in ("call.wav", "hello.wav")]
    do(with_manifest(speech, paths), "transcribe", "align", "write")
    assert missing(batch_of(speech)) == {}
    changed = with_manifest(speech, [paths[0], paths[1] | {"language": "de"}])
    assert missing(changed) == {"hello.wav": ALL}


def test_only_the_files_that_a_manifest_marks_are_diarized(speech: Path) -> None:
    """The others need no diarizer."""
    rows = [{"path": str(speech / "call.wav"), "diarize": True}, {"path": str(speech / "hello.wav")}]
    batch = with_manifest(speech, rows, diarize={"diarize_model": "some/pipeline", "by_default": False})
    assert missing(batch) == {"call.wav": ALL | {"diarize"}, "hello.wav": ALL}


def test_what_a_manifest_said_is_known_when_the_failed_files_are_done_again(speech: Path) -> None:
    """`--only failed` names no manifest."""
    planned(with_manifest(speech, [{"path": str(speech / "call.wav"), "language": "de"}]))
    again = batch_of(speech, inputs={"only": "failed"})
    assert [(file.options.language, file.source.name) for file in planned(again).values()] == [("de", "call.wav")]


def test_outputs_whose_paths_have_the_language_are_known_once_it_is(speech: Path) -> None:
    """A file that is done is skipped; another template is another place, and needs the outputs alone."""
    out = {"output_dir": str(speech.parent / "out"), "output_template": "{language}/{stem}.{format}"}
    batch = batch_of(speech, write=out)
    do(batch, "transcribe", "align", "write")
    assert sorted(os.listdir(speech.parent / "out" / "en"))[:2] == ["call.json", "call.srt"]
    assert missing(batch) == {}
    assert missing(batch_of(speech, write=out | {"output_template": "{stem}/{stem}.{format}"}))["call.wav"] == {"write"}


def test_a_batch_between_places_in_a_store_is_planned_like_one_here(
    speech: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is done is known, also to another machine; the contents are those of the local files."""
    write_all({f"{bucket}/in/{path.name}": path.read_bytes() for path in speech.iterdir()})
    monkeypatch.setenv("XDG_STATE_HOME", str(speech.parent / "state"))
    batch = batch_of(speech, inputs={"inputs": [f"{bucket}/in/"]}, write={"output_dir": f"{bucket}/out"})
    assert missing(batch) == {"call.wav": ALL, "hello.wav": ALL}
    local, away = planned(batch_of(speech))["call.wav"], planned(batch)["call.wav"]
    assert (away.source.keys, away.source.duration_s) == (local.source.keys, local.source.duration_s)
    do(batch, "transcribe", "align", "write")
    assert read(f"{bucket}/out/hello.txt") == b"Hello.\n"
    assert missing(batch) == {}
    OutputFolder.of(batch).ledger().begin({})
    monkeypatch.setenv("XDG_STATE_HOME", str(speech.parent / "elsewhere"))
    assert missing(batch) == {}
