"""Runs of the command one after the other, with --keep_warm: what they share, and what they do not."""

import json
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import COMMAND, cut_speech


@pytest.fixture(name="desk")
def _desk(alone: dict[str, str]) -> Iterator[dict[str, str]]:
    """The environment of a user whose warm Ray is not that of another test."""
    folder = tempfile.mkdtemp(prefix="w", dir="/tmp")  # short: Ray makes sockets below
    yield alone | {"RAY_TMPDIR": folder}
    for process in processes(folder):
        process.kill()
    shutil.rmtree(folder)


def processes(folder: str) -> list[psutil.Process]:
    """Return the processes whose Ray has its files in this folder."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("RAY_TMPDIR") == folder:
                found.append(process)
    return found


def left_after(seconds: float, desk: dict[str, str]) -> list[psutil.Process]:
    """Return the processes that are still there when the time is over."""
    deadline = time.monotonic() + seconds
    while (left := processes(desk["RAY_TMPDIR"])) and time.monotonic() < deadline:
        time.sleep(0.5)
    return left


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
    """With other options each, after a run that was killed too.

    Nothing is left when the time is over, nor by --stop_warm after Ray's head was killed.
    """
    one, many = cut_speech(tmp_path / "one", "a.wav"), cut_speech(tmp_path / "many", *"abcdef")
    for path in many.iterdir():
        path.rename(path.with_suffix(".wav"))
    models = ["--model", base, "--compute_type", "int8", "--align_model", str(small_models / "align-tiny")]
    english = [*models, "--language", "en", "-f", "all"]
    speakers = [*models, "-f", "json,srt", "--diarize", "--diarize_model", str(small_models / "diarize-tiny")]
    speakers += ["--batch_size", "2", "--language", "en", "--initial_prompt", "Hello."]
    german = [*models[:4], "--language", "de", "--no_align", "-f", "txt,json", "--suppress_numerals"]

    first = run(desk, one, tmp_path / "first", *english, "--keep_warm", "10m")
    assert first["summary"]["model_loads"]["transcribe"] == 1
    assert "warm    Whisper base (" in first["stderr"]
    with sqlite3.connect(f"file:{desk['PREFECT_HOME']}/prefect.db?mode=ro", uri=True) as database:
        logged = [message for (message,) in database.execute("SELECT message FROM log")]
    assert any(message.startswith("warm for the next run: Whisper base (") for message in logged)
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
    assert left_after(60, desk) == []

    for name, options in (("second", speakers), ("third", [*german, "--keep_warm", "10m"])):
        cold = run(desk, one, tmp_path / f"cold {name}", *options)
        assert cold["summary"]["model_loads"]["transcribe"] == 1
        assert written(tmp_path / f"cold {name}") == written(tmp_path / name)
    (head,) = [process for process in processes(desk["RAY_TMPDIR"]) if process.name() == "gcs_server"]
    head.kill()
    stopped = subprocess.run([COMMAND, "--stop_warm"], env=desk, capture_output=True, text=True, check=True)
    assert stopped.stderr == "ended: what was left of an earlier run\n"
    assert left_after(10, desk) == []
