"""Names that break programs: they round-trip into outputs and reports, and no two files share an output."""

import json
import os
import shutil
from pathlib import Path

import pytest
from conftest import SAMPLES, cut_speech
from runs import run_batch, transcribing

NAMES = [
    "sp ace.wav",
    'quo\'te "d".wav',
    "emoji 😀.wav",
    "new\nline.wav",
    "-dash.wav",
    "{braces} %s $HOME.wav",
    "e\u0301.wav",
    "\u00e9.wav",
    "n" * 251 + ".wav",
    os.fsdecode(b"\xff\xfe.wav"),
    "a/ep1.wav",
    "b/ep1.wav",
]


@pytest.mark.usefixtures("one_ray", "api_url")
def test_odd_names_round_trip_and_outputs_never_collide(tiny_en: str, tmp_path: Path) -> None:
    """Also with a file that differs in its extension alone; a second run finds them all done."""
    files = tmp_path / "files"
    for folder in ("a", "b"):
        (files / folder).mkdir(parents=True)
    cut_speech(files, *NAMES, seconds=3)
    shutil.copy(SAMPLES / "en" / "hello_world.wav", files / "a" / "ep1.flac")
    options = {"transcribe": transcribing(tiny_en), "align": None, "models": {"device": "cpu"}}
    done = run_batch(files, tmp_path / "out", **options)
    assert done.report["summary"]["failed"] == 0, [each["error"] for each in done.report["files"]]
    paths = {each["path"] for each in done.report["files"]}
    assert paths == {str(files / name) for name in [*NAMES, "a/ep1.flac"]}
    outputs = [path for each in done.report["files"] for path in each["outputs"]]
    assert len(set(outputs)) == len(outputs) == 13 * 5
    assert all(Path(path).is_file() for path in outputs)
    hello = json.loads((tmp_path / "out" / "a" / "ep1.flac.json").read_text())
    assert "hello" in hello["segments"][0]["text"].lower()
    assert (tmp_path / "out" / "new\nline.txt").is_file()
    again = run_batch(files, tmp_path / "out", **options)
    assert again.report["summary"]["skipped"] == 13
    assert [each["outputs"] for each in again.report["files"]] == [each["outputs"] for each in done.report["files"]]
