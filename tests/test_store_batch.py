"""A batch from a bucket to a bucket, with its results and its report there too, by the command."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import COMMAND, SAMPLES, TWO_SPEAKERS

from tasks.storage.filesystems import find
from tasks.storage.io import put, read


def options(tiny_en: str, small_models: Path) -> list[str]:
    """Return the options of a fast batch."""
    aligner = str(small_models / "align-tiny")
    return ["--model", tiny_en, "--language", "en", "--compute_type", "int8", "--align_model", aligner]


def run(arguments: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run([COMMAND, *arguments], env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(name="pile")
def _pile(tmp_path: Path) -> Path:
    """Two recordings, and a manifest beside them that names a third which is not there."""
    folder = tmp_path / "pile"
    (folder / "calls").mkdir(parents=True)
    shutil.copy(TWO_SPEAKERS, folder / "calls" / "call 1.wav")
    shutil.copy(SAMPLES / "en" / "quick_brown_fox.wav", folder / "fox.wav")
    rows = [{"path": "calls/call 1.wav", "output": "first"}, {"path": "fox.wav"}, {"path": "gone.wav"}]
    (folder / "manifest.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return folder


def test_the_same_batch_here_and_in_a_store_has_the_same_outputs(
    pile: Path, bucket: str, alone: dict[str, str], tmp_path: Path, tiny_en: str, small_models: Path
) -> None:
    """To the last byte; a file that is not there fails alone; a second run, on another machine, has nothing to do."""
    put({f"{bucket}/{path.relative_to(pile)}": path.read_bytes() for path in pile.rglob("*") if path.is_file()})
    alone |= {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    alone["XDG_STATE_HOME"] = str(tmp_path / "state")
    fast = options(tiny_en, small_models)
    report = f"{bucket}/report.json"
    there = ["--manifest", f"{bucket}/manifest.jsonl", "-o", f"{bucket}/out", "--report", report, *fast]
    here = ["--manifest", str(pile / "manifest.jsonl"), "-o", str(tmp_path / "out"), *fast]
    ran = run(there, alone)
    assert ran.returncode == 1, ran.stderr
    assert "gone.wav: no such file" in ran.stderr
    files = json.loads(read(report))["files"]
    assert [file["status"] for file in files] == ["done", "done", "failed"]
    assert f"{bucket}/out/first.json" in files[0]["outputs"]

    assert run(here, alone).returncode == 1
    local = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.*") if path.is_file()}
    own = f"{bucket}/out/.whisperx-batch/"
    stored = {name for name in find(f"{bucket}/out") if not name.startswith(own)}
    assert {name.rpartition("/")[2]: read(name) for name in stored} == local
    assert sum("/results/align/" in name for name in find(own)) == 2

    alone["XDG_STATE_HOME"] = str(tmp_path / "another machine")
    again = run(there, alone)
    assert "3 files: 0 done, 1 failed, 2 skipped" in again.stderr
