"""A disk that is full or read-only, a Prefect server that goes away: a clear end for what they hit, and no other."""

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import COMMAND, cut_speech
from lasting_server import Server
from runs import Done, run_batch, transcribing

NAMES = [f"piece {i}.wav" for i in range(8)]


@pytest.fixture(name="disk")
def _disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 160 kB, where the tests may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (subprocess.CalledProcessError, OSError) as error:
        pytest.skip(f"no right to mount a file system: {error}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def remount(disk: Path, options: str) -> bool:
    """Change a mounted file system; False while somebody writes to it."""
    return (
        subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], capture_output=True, check=False).returncode
        == 0
    )


def errors(done: Done) -> list[str]:
    """Return why files have failed."""
    return [each["error"] for each in done.report["files"] if each["status"] == "failed"]


def outputs(out: Path) -> dict[str, bytes]:
    """Return what was written."""
    return {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}


@pytest.mark.usefixtures("one_ray", "api_url")
def test_a_full_disk_and_one_that_turns_read_only_fail_the_files_they_hit(
    disk: Path, tiny_en: str, tmp_path: Path
) -> None:
    """Each with its reason and without a part of an output; once there is room, the next run does the rest."""
    files = cut_speech(tmp_path / "files", *NAMES)
    options: dict[str, Any] = {
        "transcribe": transcribing(tiny_en),
        "align": {"align_model": "whisper"},
        "models": {"device": "cpu"},
    }

    def run(out: Path) -> Done:
        done = run_batch(files, out, **options)
        assert sum(done.report["summary"][status] for status in ("done", "skipped", "failed")) == len(NAMES)
        return done

    clean = run(tmp_path / "clean")
    full = run(disk)
    assert 1 <= full.report["summary"]["done"] < len(NAMES)
    assert all("No space left on device" in error for error in errors(full)), errors(full)
    assert full.run.state_name == "Failed"
    assert outputs(full.out).items() <= outputs(clean.out).items()

    assert remount(disk, "size=10m")
    before = len(outputs(full.out))

    def turn_read_only() -> None:
        while len(outputs(full.out)) == before or not remount(disk, "ro"):
            time.sleep(0.002)

    turning = threading.Thread(target=turn_read_only)
    turning.start()
    frozen = run(disk)
    turning.join()
    assert remount(disk, "rw")
    assert all("Read-only file system" in error for error in errors(frozen)), errors(frozen)
    assert outputs(frozen.out).items() <= outputs(clean.out).items()

    last = run(disk)
    assert last.report["summary"]["failed"] == 0
    assert outputs(last.out) == outputs(clean.out)
    assert not list(disk.rglob(".whisperx-batch-*"))


def test_a_prefect_server_that_is_away_for_a_while_costs_nothing(
    alone: dict[str, str], tiny_en: str, tmp_path: Path
) -> None:
    """Files are done while it is away; the report is right, and so is the state of the run in the end.

    Each file is a shard, so that some of their subflows are to start meanwhile.
    """
    server = Server(dict(alone), tmp_path / "server.log")
    server.start()
    files, out, report = cut_speech(tmp_path / "files", *NAMES), tmp_path / "out", tmp_path / "report.json"
    options = ["--model", tiny_en, "--language", "en", "--compute_type", "int8", "--align_model", "whisper"]
    options += ["--ray_dashboard", "False", "--device", "cpu", "--shard_size", "1"]
    run = subprocess.Popen(
        [COMMAND, str(files), *options, "-o", str(out), "--report", str(report)],
        env={**alone, "PREFECT_API_URL": server.url},
        stderr=subprocess.PIPE,
        text=True,
    )
    while not list(out.glob("*.json")) and run.poll() is None:
        time.sleep(0.05)
    server.stop()
    done_before = len(list(out.glob("*.json")))
    time.sleep(25)
    done_without = len(list(out.glob("*.json"))) - done_before
    server.start()
    _, said = run.communicate(timeout=300)
    try:
        assert run.returncode == 0, said
        assert done_without > 0
        assert json.loads(report.read_text())["summary"]["done"] == len(NAMES)
        runs = httpx.post(f"{server.url}/flow_runs/filter", json={}).json()
        assert {each["state_type"] for each in runs} == {"COMPLETED"}
    finally:
        server.stop()
    assert os.listdir(tmp_path / "prefect")
