"""What is called done: the output that is there is the one that was written, and for these very options."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from batches import ALL, batch_of, do, missing, planned
from conftest import SAMPLES
from pydantic import ValidationError

from flows.config.parameters import Batch
from flows.state.folder import OutputFolder
from flows.state.ledger import FOLDER
from tasks.formats import ENCODERS
from tasks.quality.transcript import Finding
from tasks.quality.verdict import Quality
from tasks.storage.io import digest_of
from tasks.storage.results import StoredResult

DATA = Path(__file__).parents[2] / "data" / "0.1"
"""What version 0.1 left after a run with all formats, and a second with speakers and json alone."""


@pytest.fixture(name="speech")
def _speech(tmp_path: Path) -> Path:
    """One file."""
    folder = tmp_path / "speech"
    folder.mkdir()
    shutil.copy(SAMPLES / "en" / "hello_world.wav", folder / "hello.wav")
    return folder


def formats(speech: Path, names: str, **layout: Any) -> dict[str, Any]:
    """Return options by which the outputs of these formats are written."""
    return {"output_dir": str(speech.parent / "out"), "output_format": names, **layout}


SPEAKERS = {"diarize_model": "some/pipeline"}


def test_formats_that_a_run_with_other_options_left_behind_are_not_done(speech: Path) -> None:
    """All formats; then speakers, in json alone; then speakers in all: four of five are still without speakers."""
    do(batch_of(speech), "transcribe", "align", "write")
    do(batch_of(speech, diarize=SPEAKERS, write=formats(speech, "json")), "diarize", "write")
    assert missing(batch_of(speech, diarize=SPEAKERS, write=formats(speech, "json"))) == {}
    assert missing(batch_of(speech, diarize=SPEAKERS)) == {"hello.wav": {"write"}}
    assert missing(batch_of(speech)) == {"hello.wav": {"write"}}  # now the json has speakers
    do(batch_of(speech, diarize=SPEAKERS), "write")
    assert missing(batch_of(speech, diarize=SPEAKERS)) == {}


@pytest.mark.parametrize(
    "other",
    [
        {"transcribe": {"model": "base", "language": "en"}},
        {"transcribe": {"model": "tiny", "language": "de"}},
        {"align": {"interpolate_method": "linear"}},
        {"align": None},
        {"write": {"max_line_width": 20}},
        {"write": {"subtitles": "readable"}},
        {"write": {"speaker_labels": "voice"}},
        {"write": {"provenance": True}},
    ],
)
def test_any_option_that_changes_an_output_makes_the_others_undone(speech: Path, other: dict[str, Any]) -> None:
    """Whatever it is in which the second run differs, what it did not write is that of the first."""
    do(batch_of(speech), "transcribe", "align", "write")
    layout = other.get("write", {})
    one_format = batch_of(speech, **{**other, "write": formats(speech, "json", **layout)})
    do(one_format, "transcribe", *(["align"] if one_format.align else []), "write")
    assert missing(one_format) == {}
    assert "write" in missing(batch_of(speech, **{**other, "write": formats(speech, "all", **layout)}))["hello.wav"]
    assert missing(batch_of(speech, write=formats(speech, "srt"))) == {}  # that one is still of the first


def test_every_format_is_made_from_the_stored_results(speech: Path) -> None:
    """Asked for later, with any layout, it is only written: no stage with a model is needed."""
    do(batch_of(speech), "transcribe", "align", "write")
    layout = {"subtitles": "max_cps=20", "speaker_labels": "none", "provenance": True}
    for name in set(ENCODERS) - {"rttm"}:
        assert missing(batch_of(speech, write=formats(speech, name, **layout))) == {"hello.wav": {"write"}}


def test_two_files_that_once_had_one_output_are_not_taken_for_each_other(speech: Path) -> None:
    """With --overwrite the second wrote over the first's; the first is not done with the second's transcript."""
    first = batch_of(speech)
    do(first, "transcribe", "align", "write")
    other = speech.parent / "tuesday"
    other.mkdir()
    shutil.copy(SAMPLES / "en" / "counting.wav", other / "hello.wav")
    second = batch_of(speech, inputs={"inputs": [str(other)]}, run={"overwrite": True})
    do(second, "transcribe", "align", "write")
    again = planned(first)["hello.wav"]
    assert again.status == "failed"
    assert f"was written for {other / 'hello.wav'}" in str(again.error)


def test_what_a_run_wrote_is_known_although_it_could_not_say_so(speech: Path) -> None:
    """Its power was cut between the outputs and the ledger; then other options may replace them."""
    batch = batch_of(speech)
    do(batch, "transcribe", "align")
    before = (speech.parent / "out" / FOLDER / "ledger.jsonl").read_bytes()
    do(batch, "write")
    state = speech.parent / "out" / FOLDER
    assert list((state / "writing").iterdir())  # `do` leaves the note, as a crash would
    (state / "ledger.jsonl").write_bytes(before)
    assert missing(batch) == {}
    shutil.rmtree(OutputFolder.of(batch).results)
    do(batch_of(speech, run={"overwrite": True}), "transcribe", "align", "write")
    (state / "ledger.jsonl").write_bytes(before)
    assert missing(batch_of(speech, transcribe={"model": "base", "language": "en"})) == {"hello.wav": ALL}


def test_without_the_note_such_outputs_are_not_ours_to_replace(speech: Path) -> None:
    """What the note is for."""
    batch = batch_of(speech)
    do(batch, "transcribe", "align")
    before = (speech.parent / "out" / FOLDER / "ledger.jsonl").read_bytes()
    do(batch, "write")
    state = speech.parent / "out" / FOLDER
    shutil.rmtree(state / "writing")
    (state / "ledger.jsonl").write_bytes(before)
    refused = planned(batch_of(speech, transcribe={"model": "base", "language": "en"}))["hello.wav"]
    assert "was not written by whisperx-batch" in str(refused.error)


def test_a_file_that_holds_no_audio_is_refused_without_being_opened_again(
    speech: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until it changes, or is to be tried again; a file that is not there is looked for each time."""
    broken = speech / "broken.wav"
    broken.write_text("no audio")
    (speech / "empty.wav").touch()
    batch = batch_of(speech, inputs={"inputs": [str(broken), str(speech / "empty.wav"), str(speech / "gone.wav")]})
    first = planned(batch)["broken.wav"]
    assert (first.status, first.failed_before) == ("failed", False)
    with monkeypatch.context() as patched:
        patched.setattr("flows.planning.sources.known.probe", lambda _: pytest.fail("a file was opened"))
        files = planned(batch)
    assert {name: (file.status, file.failed_before) for name, file in files.items()} == {
        "broken.wav": ("failed", True),
        "empty.wav": ("failed", True),
        "gone.wav": ("failed", False),
    }
    assert files["broken.wav"].error == first.error
    for again in ({"run": {"retry_failed": True}}, {"run": {"overwrite": True}}):
        assert not planned(batch_of(speech, inputs={"inputs": [str(broken)]}, **again))["broken.wav"].failed_before
    failed = planned(batch_of(speech, inputs={"inputs": [str(broken)], "only": "failed"}))
    assert not failed["broken.wav"].failed_before
    shutil.copy(SAMPLES / "en" / "counting.wav", broken)
    assert planned(batch)["broken.wav"].status == "waiting"


def of_version_0_1(folder: Path) -> Path:
    """Put in place what version 0.1 left, with the times that it has in its ledger. Returns the folder of inputs."""
    shutil.copytree(DATA / "out", folder / "out")
    shutil.copytree(DATA / "state", folder / "out" / FOLDER)
    speech = folder / "speech"
    speech.mkdir()
    shutil.copy(SAMPLES / "en" / "hello_world.wav", speech / "hello.wav")
    ledger = folder / "out" / FOLDER / "ledger.jsonl"
    lines = ledger.read_text().replace('"/speech/', f'"{speech}/')
    ledger.write_text(lines)
    for row in map(json.loads, lines.splitlines()):
        for extension, (_, time) in row["outputs"].items():
            os.utime(folder / "out" / f"hello.{extension}", ns=(time, time))
        if "mtime_ns" in row:
            os.utime(speech / "hello.wav", ns=(row["mtime_ns"], row["mtime_ns"]))
    return speech


HERE = {"models": {"model_cache_only": True}}
"""A hub would say which weights the names of the models stand for."""


def test_what_version_0_1_has_done_stays_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its ledger, its results and its keys are read; no file is read again."""
    speech = of_version_0_1(tmp_path)
    monkeypatch.setattr("flows.state.ledger.digest_of", lambda *_: pytest.fail("a file was read"))
    assert missing(batch_of(speech, **HERE, diarize=SPEAKERS, write=formats(speech, "json"))) == {}
    assert missing(batch_of(speech, **HERE, write=formats(speech, "srt,vtt,txt,tsv"))) == {}
    assert missing(batch_of(speech, **HERE, diarize=SPEAKERS)) == {"hello.wav": {"write"}}


def test_of_a_ledger_that_version_0_1_has_written_anew_the_last_run_counts(tmp_path: Path) -> None:
    """It had one key for outputs of several runs; which have that key, their times tell. The others are ours, too."""
    speech = of_version_0_1(tmp_path)
    ledger = tmp_path / "out" / FOLDER / "ledger.jsonl"
    first, second = map(json.loads, ledger.read_text().splitlines())
    ledger.write_text(json.dumps({**first, **second, "outputs": first["outputs"] | second["outputs"]}) + "\n")
    assert missing(batch_of(speech, **HERE, diarize=SPEAKERS, write=formats(speech, "json"))) == {}
    assert missing(batch_of(speech, **HERE, diarize=SPEAKERS)) == {"hello.wav": {"write"}}
    assert missing(batch_of(speech, **HERE, transcribe={"model": "base", "language": "en"})) == {"hello.wav": ALL}


@pytest.mark.parametrize("stage", ["transcribe", "align", "diarize"])
def test_results_of_version_0_1_are_read(stage: str) -> None:
    """Under the names of classes that they hold."""
    (path,) = (DATA / "state" / "results" / stage / "v2").iterdir()
    result = StoredResult(str(DATA / "state" / "results"), f"{stage}/v2/{path.name}")
    assert result.exists()
    assert type(result.read()).__name__ == ("Diarization" if stage == "diarize" else "Transcript")
    assert digest_of(str(path))


def test_an_old_folder_is_checked_when_its_quality_is_asked_for(speech: Path) -> None:
    """Decoded and checked, never transcribed again; without being asked nothing of it is done."""
    unchecked = batch_of(speech, check=None)
    do(unchecked, "transcribe", "align", "write")
    assert missing(batch_of(speech)) == {}
    assert missing(batch_of(speech, write=formats(speech, "aud"))) == {"hello.wav": {"write"}}
    asked = batch_of(speech, write=formats(speech, "all,quality"))
    assert missing(asked) == {"hello.wav": {"load audio", "check", "write"}}
    do(asked, "write")
    assert missing(asked) == {}
    written = planned(batch_of(speech))["hello.wav"].written
    assert written
    assert written.quality
    assert written.quality["verdict"] == "good"


def test_other_limits_are_for_the_quality_alone(speech: Path) -> None:
    """What was written without them stays, also if somebody has changed it."""
    both = formats(speech, "all,quality")
    do(batch_of(speech, write=both), "transcribe", "align", "write")
    (speech.parent / "out" / "hello.txt").write_text("Hello, Word!")
    planned(batch_of(speech, write=both))
    stricter = {"check": {"check_coverage": 0.9}}
    assert missing(batch_of(speech, **stricter)) == {"hello.wav": {"write"}}
    again = batch_of(speech, write=formats(speech, "quality"), **stricter)
    assert missing(again) == {"hello.wav": {"load audio", "check", "write"}}
    do(again, "write")
    assert missing(again) == {}
    assert (speech.parent / "out" / "hello.txt").read_text() == "Hello, Word!"


def test_pages_are_made_from_stored_results_and_again_for_another_check(speech: Path) -> None:
    """Without a model; for other limits only if their output is asked for too, or every run would want a check."""
    do(batch_of(speech, check=None), "transcribe", "align", "write")
    assert missing(batch_of(speech, write=formats(speech, "html"))) == {"hello.wav": {"write"}}
    both = formats(speech, "html,quality")
    do(batch_of(speech, write=both), "write")
    stricter = {"check": {"check_coverage": 0.9}}
    assert missing(batch_of(speech, write=formats(speech, "html"), **stricter)) == {}
    assert missing(batch_of(speech, write=both, **stricter)) == {"hello.wav": {"load audio", "check", "write"}}
    do(batch_of(speech, write=both, **stricter), "write")
    assert missing(batch_of(speech, write=both, **stricter)) == {}


def test_a_file_whose_run_ended_before_its_check_is_checked(speech: Path) -> None:
    """Its outputs are not written yet, so its verdict is still to come."""
    do(batch_of(speech), "transcribe", "align")
    assert missing(batch_of(speech)) == {"hello.wav": {"load audio", "check", "write"}}


AGAIN = {"transcribe again", "align again", "check again"}
DOUBTED = Quality("check", ["odd"], [Finding("invented", "odd", 0.0, 1.0)], 1.0, 1.0)


def test_a_second_pass_over_an_old_folder_is_for_files_in_doubt(speech: Path) -> None:
    """One without doubt is skipped, or only written; the other is decoded, and its first transcript used."""
    second = batch_of(speech, second_pass={})
    do(batch_of(speech), "transcribe", "align", "write")
    assert missing(second) == {}
    assert missing(batch_of(speech, second_pass={}, write=formats(speech, "aud"))) == {"hello.wav": {"write"}}
    do(batch_of(speech, run={"overwrite": True}), "write", quality=DOUBTED)
    assert missing(batch_of(speech)) == {}
    assert missing(second) == {"hello.wav": {"load audio", "write", *AGAIN}}


def test_a_second_pass_goes_on_where_it_was_ended(speech: Path) -> None:
    """By the results of its stages; those of another model are not taken; without the option the first text counts."""
    second = batch_of(speech, second_pass={})
    do(batch_of(speech), "transcribe", "align", "write", quality=DOUBTED)
    do(second, "transcribe again")
    assert missing(second) == {"hello.wav": {"load audio", "align again", "check again", "write"}}
    do(second, "align again", "check again")
    assert missing(second) == {"hello.wav": {"write"}}
    do(second, "write", quality=DOUBTED)
    assert missing(second) == {}
    other = batch_of(speech, second_pass={"second_model": "base"})
    assert missing(other) == {"hello.wav": {"load audio", "write", *AGAIN}}
    assert missing(batch_of(speech)) == {"hello.wav": {"write"}}


def test_a_second_pass_checks_files_that_were_not_checked(speech: Path) -> None:
    """Whether there is any doubt is known only then."""
    do(batch_of(speech, check=None), "transcribe", "align", "write")
    assert missing(batch_of(speech, second_pass={})) == {"hello.wav": {"load audio", "check", "write", *AGAIN}}


@pytest.mark.parametrize("options", [{"check": None}, {"transcribe": {"task": "translate"}, "align": None}])
def test_a_second_pass_without_a_check_of_a_transcript_is_refused(options: dict[str, Any]) -> None:
    """There is no doubt to start from, or nothing to compare the text with."""
    with pytest.raises(ValidationError, match="second_pass decodes what check doubts"):
        Batch.model_validate({"second_pass": {}, **options})
