"""The second pass in real runs: what Whisper left out is decoded again, and a good file is left alone."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import QUICK_BROWN_FOX, TWO_SPEAKERS
from runs import Done, run_batch, transcribing

pytestmark = pytest.mark.usefixtures("one_ray", "api_url")

AGAIN = ["transcribe again", "align again", "check again"]
DEAF = {"vad_onset": 0.99, "vad_offset": 0.9}
"""With these thresholds much of a telephone call is not heard at all."""


@pytest.fixture(scope="module", name="files")
def _files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A call, and a clear sentence."""
    files = tmp_path_factory.mktemp("files")
    shutil.copy(TWO_SPEAKERS, files / "call.wav")
    shutil.copy(QUICK_BROWN_FOX, files / "fox.wav")
    return files


def run(files: Path, out: Path, tiny_en: str, **options: Any) -> Done:
    """Transcribe them with thresholds that leave a hole."""
    return run_batch(
        files,
        out,
        transcribe=transcribing(tiny_en) | DEAF,
        align={"align_model": "whisper"},
        models={"device": "cpu"},
        write={"output_dir": str(out), "output_format": "json,quality"},
        **options,
    )


@pytest.fixture(scope="module", name="runs")
def _runs(files: Path, tiny_en: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Done, Done, Done]:
    """A run without a second pass; with one over its folder; with one from the start in another folder."""
    out, new = tmp_path_factory.mktemp("old") / "out", tmp_path_factory.mktemp("new") / "out"
    first = run(files, out, tiny_en)
    shutil.copytree(out, out.parent / "before")
    return first, run(files, out, tiny_en, second_pass={}), run(files, new, tiny_en, second_pass={})


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
    assert second.file("call.wav")["verdict"] == "good"
    before, after = text(first.out.parent / "before", "call.json"), text(second.out, "call.json")
    assert "New Jersey" not in before
    assert "New Jersey" in after
    words = json.loads((second.out / "call.json").read_text())["word_segments"]
    assert [word["start"] for word in words] == sorted(word["start"] for word in words)


def test_a_file_without_doubt_passes_untouched(runs: tuple[Done, Done, Done]) -> None:
    """From the start, too: no task run of the second pass is made for it, and its transcript stays the same."""
    first, _, fresh = runs
    assert fresh.file("fox.wav")["second_pass"] == []
    assert fresh.file("fox.wav")["timings_s"].keys().isdisjoint(AGAIN)
    for stage in AGAIN:
        assert [task.name for task in fresh.tasks[stage]] == ["call.wav"]
    for name in ("fox.json", "fox.quality.json"):
        assert (fresh.out / name).read_bytes() == (first.out.parent / "before" / name).read_bytes()


def test_both_ways_lead_to_the_same_transcript(runs: tuple[Done, Done, Done]) -> None:
    """Byte for byte."""
    _, second, fresh = runs
    for name in ("call.json", "call.quality.json"):
        assert (second.out / name).read_bytes() == (fresh.out / name).read_bytes()


def test_every_decision_is_kept_with_its_reasons(runs: tuple[Done, Done, Done]) -> None:
    """In the output `quality` with both texts and what the decoder says, in the report, and on the listening list."""
    _, second, _ = runs
    quality = json.loads((second.out / "call.quality.json").read_text())
    taken = [each for each in quality["second_pass"] if each["taken"]]
    assert any("New Jersey" in each["after"] and "New Jersey" not in each["before"] for each in taken)
    assert all(each["doubts"] and each["why"] for each in quality["second_pass"])
    numbers = {"avg_logprob", "no_speech_prob", "compression_ratio", "temperature"}
    assert all(numbers <= piece.keys() for each in taken for piece in each["decoded"])
    reported = second.file("call.wav")["second_pass"]
    assert [each["why"] for each in reported] == [each["why"] for each in quality["second_pass"]]
    content = (second.out.parent / f"{second.out.name}.report.listening.csv").read_text("utf-8-sig").splitlines()
    listed = [row for row in csv.DictReader(content) if row["kind"] == "second pass"]
    assert len(listed) == len(reported)


def test_a_further_run_finds_nothing_to_do(runs: tuple[Done, Done, Done], files: Path, tiny_en: str) -> None:
    """What the second pass has written is done."""
    again = run(files, runs[1].out, tiny_en, second_pass={})
    assert {each["status"] for each in again.report["files"]} == {"skipped"}
    assert again.file("call.wav")["second_pass"] == runs[1].file("call.wav")["second_pass"]
