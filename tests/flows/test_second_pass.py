"""The second pass in real runs: what Whisper left out is decoded again, and a good file is left alone."""

import csv
import json
import shutil
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import QUICK_BROWN_FOX, TWO_SPEAKERS
from runs import Done, run_batch, transcribing

from tasks.audio.decoding import decode
from tasks.audio.types import SAMPLE_RATE

pytestmark = pytest.mark.usefixtures("one_ray", "api_url")

AGAIN = ["transcribe again", "align again", "check again"]
DEAF = {"vad_onset": 0.995, "vad_offset": 0.98}
"""With these thresholds the beginning and the end of the call are not heard at all."""
OF_CALL = ("call.wav", "second pass")
MISSED = "I didn't know you were there"


@pytest.fixture(scope="module", name="files")
def _files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A call, a clear sentence, and both on a channel each of one recording, the sentence while the others speak."""
    files = tmp_path_factory.mktemp("files")
    shutil.copy(TWO_SPEAKERS, files / "call.wav")
    shutil.copy(QUICK_BROWN_FOX, files / "fox.wav")
    call, fox = decode(str(TWO_SPEAKERS)), decode(str(QUICK_BROWN_FOX))
    sides = np.stack([call, np.zeros_like(call)], axis=1)
    sides[8 * SAMPLE_RATE :][: len(fox), 1] = fox
    with wave.open(str(files / "sides.wav"), "wb") as file:
        file.setparams((2, 2, SAMPLE_RATE, 0, "NONE", ""))
        file.writeframes(sides.tobytes())
    return files


def run(files: Path, out: Path, tiny_en: str, **options: Any) -> Done:
    """Transcribe them with thresholds that leave a hole."""
    return run_batch(
        files,
        out,
        transcribe=transcribing(tiny_en) | DEAF | {"channels": "split"},
        align={"align_model": "whisper"},
        models={"device": "cpu"},
        write={"output_dir": str(out), "output_format": "json,quality"},
        **options,
    )


@pytest.fixture(scope="module", name="runs")
def _runs(files: Path, tiny_en: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Done, Done, Done]:
    """A run without a second pass; with one over its folder; from the start in another folder, with a second model.

    That one has the same weights under another name.
    """
    out, new = tmp_path_factory.mktemp("old") / "out", tmp_path_factory.mktemp("new") / "out"
    second_model = new.parent / "model"
    second_model.symlink_to(tiny_en)
    first = run(files, out, tiny_en)
    shutil.copytree(out, out.parent / "before")
    return (
        first,
        run(files, out, tiny_en, second_pass={}),
        run(files, new, tiny_en, second_pass={"second_model": str(second_model)}),
    )


def text(folder: Path, name: str) -> str:
    """Return what the transcript of a file says."""
    return " ".join(each["text"].strip() for each in json.loads((folder / name).read_text())["segments"])


def test_an_old_folder_has_its_holes_mended(runs: tuple[Done, Done, Done]) -> None:
    """Only the file in doubt is decoded, and only where it is; the other is skipped."""
    first, second, _ = runs
    assert first.file("call.wav")["verdict"] == "bad"
    assert {name: second.file(name)["status"] for name in ("call.wav", "fox.wav")} == {
        "call.wav": "done",
        "fox.wav": "skipped",
    }
    assert second.file("call.wav")["timings_s"].keys() == {"load audio", "write", *AGAIN}
    assert second.file("call.wav")["verdict"] != "bad"
    before, after = text(first.out.parent / "before", "call.json"), text(second.out, "call.json")
    assert MISSED not in before
    assert MISSED in after
    assert after.endswith("New Jersey now.")
    words = json.loads((second.out / "call.json").read_text())["word_segments"]
    assert [word["start"] for word in words] == sorted(word["start"] for word in words)


def test_a_file_without_doubt_passes_untouched(runs: tuple[Done, Done, Done]) -> None:
    """From the start, too: no task run of the second pass is made for it, and its transcript stays the same."""
    first, _, fresh = runs
    assert fresh.file("fox.wav")["second_pass"] == []
    assert fresh.file("fox.wav")["timings_s"].keys().isdisjoint(AGAIN)
    for stage in AGAIN:
        assert {task.name for task in fresh.tasks[stage]} == {"call.wav", "sides.wav"}
    for name in ("fox.json", "fox.quality.json"):
        assert (fresh.out / name).read_bytes() == (first.out.parent / "before" / name).read_bytes()


def test_both_ways_lead_to_the_same_transcript(runs: tuple[Done, Done, Done]) -> None:
    """Byte for byte; a second model is loaded beside the first."""
    _, second, fresh = runs
    assert [each.report["summary"]["model_loads"]["transcribe"] for each in (second, fresh)] == [1, 2]
    for name in ("call.json", "call.quality.json", "sides.json", "sides.quality.json"):
        assert (second.out / name).read_bytes() == (fresh.out / name).read_bytes()


def test_a_channel_is_passed_again_as_a_file_of_its_own(runs: tuple[Done, Done, Done]) -> None:
    """Its words and decisions are those of the file to the last digit, though somebody speaks on the other channel."""
    for done in runs[1:]:
        transcripts = (json.loads((done.out / name).read_text()) for name in ("sides.json", "call.json"))
        sides, call = (each["word_segments"] for each in transcripts)
        own = [{key: each[key] for key in each if key != "speaker"} for each in sides if each["speaker"] == "CHANNEL_0"]
        assert own == call
        assert len({each["speaker"] for each in sides}) == 2
        decided = [done.file(name)["second_pass"] for name in ("sides.wav", "call.wav")]
        assert decided[0] == [each | {"why": f"CHANNEL_0: {each['why']}"} for each in decided[1]]
    again = runs[1].file("sides.wav")
    assert (again["status"], again["timings_s"].keys()) == ("done", {"load audio", "write", *AGAIN})


def test_every_decision_is_kept_with_its_reasons(runs: tuple[Done, Done, Done]) -> None:
    """In the output `quality` with both texts and what the decoder says, in the report, and on the listening list."""
    _, second, _ = runs
    quality = json.loads((second.out / "call.quality.json").read_text())
    taken = [each for each in quality["second_pass"] if each["taken"]]
    assert any(MISSED in each["after"] for each in taken)
    assert all(each["doubts"] and each["why"] for each in quality["second_pass"])
    numbers = {"avg_logprob", "no_speech_prob", "compression_ratio", "temperature"}
    assert all(numbers <= piece.keys() for each in taken for piece in each["decoded"])
    reported = second.file("call.wav")["second_pass"]
    assert [each["why"] for each in reported] == [each["why"] for each in quality["second_pass"]]
    content = (second.out.parent / f"{second.out.name}.report.listening.csv").read_text("utf-8-sig").splitlines()
    listed = [row for row in csv.DictReader(content) if (Path(row["file"]).name, row["kind"]) == OF_CALL]
    assert len(listed) == len(reported)


def test_a_further_run_finds_nothing_to_do(runs: tuple[Done, Done, Done], files: Path, tiny_en: str) -> None:
    """What the second pass has written is done."""
    again = run(files, runs[1].out, tiny_en, second_pass={})
    assert {each["status"] for each in again.report["files"]} == {"skipped"}
    assert again.file("call.wav")["second_pass"] == runs[1].file("call.wav")["second_pass"]


def test_a_second_pass_works_without_word_timings(files: Path, tiny_en: str, tmp_path: Path) -> None:
    """Its last stage has two inputs of one stage then, and goes on when that has ended."""
    out = tmp_path / "out"
    options: dict[str, Any] = {"transcribe": transcribing(tiny_en) | DEAF, "align": None, "second_pass": {}}
    done = run_batch(files, out, models={"device": "cpu"}, **options)
    assert {each["status"] for each in done.report["files"]} == {"done"}
    assert done.file("call.wav")["timings_s"].keys() >= {"transcribe again", "check again"}
    assert MISSED in text(out, "call.json")
