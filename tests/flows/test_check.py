"""The stage check in real runs: which transcripts can be trusted, also those of an old output folder."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from conftest import SAMPLES, TWO_SPEAKERS
from runs import Done, run_batch, transcribing

pytestmark = pytest.mark.usefixtures("one_ray", "api_url")


@pytest.fixture(scope="module", name="runs")
def _runs(tiny_en: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Done, Done]:
    """A run without checks over an English call and Polish taken for English; then another that asks for quality."""
    files, out = tmp_path_factory.mktemp("files"), tmp_path_factory.mktemp("out") / "checked"
    shutil.copy(TWO_SPEAKERS, files / "call.wav")
    shutil.copy(SAMPLES / "pl" / "liczenie.wav", files / "polish.wav")
    options = {
        "transcribe": transcribing(tiny_en),
        "align": {"align_model": "whisper"},
        "models": {"device": "cpu"},
    }
    write = {"output_dir": str(out), "output_format": "json"}
    before = run_batch(files, out, **options, check=None, write=write)
    shutil.copy(out / "call.json", out.parent / "call.before.json")
    return before, run_batch(files, out, **options, write=write | {"output_format": "json,quality"})


def test_an_old_folder_is_checked_without_whisper(runs: tuple[Done, Done]) -> None:
    """Its audio is decoded; no model of a stage is loaded, and its json stays as it is."""
    before, after = runs
    assert before.file("call.wav")["verdict"] is None
    assert "check" not in before.stages
    assert after.state.is_completed()
    assert after.report["summary"]["model_loads"] == {}
    assert {stage for each in after.report["files"] for stage in each["timings_s"]} == {"load audio", "check", "write"}
    assert after.stages["check"].state_name == "Completed"
    assert (after.out / "call.json").read_bytes() == (after.out.parent / "call.before.json").read_bytes()


def test_each_file_has_its_verdict(runs: tuple[Done, Done]) -> None:
    """In the report, in its own output and on the listening list: English is good, Polish as English is in doubt."""
    _, after = runs
    assert (after.file("call.wav")["verdict"], after.file("call.wav")["reasons"]) == ("good", [])
    polish = after.file("polish.wav")
    assert polish["verdict"] in {"check", "bad"}
    assert "Whisper was unsure throughout" in polish["reasons"][0]
    quality = json.loads((after.out / "polish.quality.json").read_text())
    assert (quality["verdict"], quality["reasons"]) == (polish["verdict"], polish["reasons"])
    listed = (after.out.parent / "checked.report.listening.csv").read_text("utf-8-sig").splitlines()
    assert {Path(row["file"]).name for row in csv.DictReader(listed)} == {"polish.wav"}


def test_a_run_with_nothing_to_do_knows_the_verdicts(runs: tuple[Done, Done], tiny_en: str) -> None:
    """From the ledger: nothing is decoded again, nothing is loaded."""
    _, after = runs
    folder = Path(after.report["files"][0]["path"]).parent
    options = {"transcribe": transcribing(tiny_en), "align": {"align_model": "whisper"}, "models": {"device": "cpu"}}
    again = run_batch(folder, after.out, **options, write={"output_dir": str(after.out), "output_format": "json"})
    assert {each["status"] for each in again.report["files"]} == {"skipped"}
    assert [each["verdict"] for each in again.report["files"]] == [each["verdict"] for each in after.report["files"]]
    assert again.stages == {}
