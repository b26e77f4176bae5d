"""Runs of the command one after the other, with --keep_warm: what they share, and what they do not."""

import json
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import COMMAND, cut_speech

Options = list[str]


@pytest.fixture(name="desk")
def _desk(alone: dict[str, str]) -> Iterator[dict[str, str]]:
    """The environment of a user whose warm Ray is not that of another test."""
    folder = tempfile.mkdtemp(prefix="w", dir="/tmp")  # short: Ray makes sockets below
    yield alone | {"RAY_TMPDIR": folder}
    for process in keepers(folder):
        process.terminate()
        process.wait(30)
    shutil.rmtree(folder)


def keepers(folder: str) -> list[psutil.Process]:
    """Return the processes that keep a Ray whose files are in this folder."""
    found = psutil.process_iter()
    return [each for each in found if "flows.pools.warm.keeper" in _line(each) and folder in _variables(each)]


def _line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _variables(process: psutil.Process) -> str:
    try:
        return process.environ().get("RAY_TMPDIR", "")
    except psutil.Error:
        return ""


def run(desk: dict[str, str], files: Path, out: Path, *options: str) -> dict[str, Any]:
    """Run the command and return its report."""
    report = out.with_suffix(".report.json")
    line = [COMMAND, str(files), "-o", str(out), "--report", str(report), "--device", "cpu", *options]
    done = subprocess.run(line, env=desk, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(report.read_text())
    return found | {"stderr": done.stderr}


def written(out: Path) -> dict[str, bytes]:
    """Return all outputs."""
    return {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}


def test_warm_runs_write_what_cold_runs_write_whatever_the_run_before_was(
    desk: dict[str, str], base: str, small_models: Path, tmp_path: Path
) -> None:
    """With other options each, after a run that was killed too; then the time is over, and nothing is left."""
    one, many = cut_speech(tmp_path / "one", "a.wav"), cut_speech(tmp_path / "many", *"abcdef")
    for path in many.iterdir():
        path.rename(path.with_suffix(".wav"))
    models = ["--model", base, "--compute_type", "int8", "--align_model", str(small_models / "align-tiny")]
    english = [*models, "--language", "en", "-f", "all"]
    speakers = [*models, "-f", "json,srt", "--diarize", "--diarize_model", str(small_models / "diarize-tiny")]
    speakers += ["--batch_size", "2", "--language", "en", "--initial_prompt", "Hello."]
    german = [
        *models[:4],
        "--language",
        "de",
        "--no_align",
        "-f",
        "txt,json",
        "--beam_size",
        "2",
        "--suppress_numerals",
    ]

    first = run(desk, one, tmp_path / "first", *english, "--keep_warm", "10m")
    assert first["summary"]["model_loads"]["transcribe"] == 1
    assert "warm    Whisper base (" in first["stderr"]
    second = run(desk, one, tmp_path / "second", *speakers, "--keep_warm", "10m")
    assert "warm: Whisper base, from an earlier run\n" in second["stderr"]
    assert second["summary"]["model_loads"] == {"diarize": 1}
    third = run(desk, one, tmp_path / "third", *german, "--keep_warm", "10m")
    assert third["summary"]["model_loads"] == {}

    line = [COMMAND, str(many), "-o", str(tmp_path / "killed"), "--device", "cpu", *english, "--keep_warm", "10m"]
    killed = subprocess.Popen(line, env=desk, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not list((tmp_path / "killed").glob("*.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert killed.poll() is None
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    fourth = run(desk, one, tmp_path / "fourth", *german, "--keep_warm", "1s")
    assert fourth["summary"]["model_loads"]["transcribe"] == 1
    assert written(tmp_path / "fourth") == written(tmp_path / "third")
    (keeper,) = keepers(desk["RAY_TMPDIR"])
    left = [keeper, *keeper.children(recursive=True)]
    _, left = psutil.wait_procs(left, timeout=30)
    assert left == []

    for name, options in (("second", speakers), ("third", german)):
        cold = run(desk, one, tmp_path / f"cold {name}", *options)
        assert "warm" not in cold["stderr"]
        assert written(tmp_path / f"cold {name}") == written(tmp_path / name)
