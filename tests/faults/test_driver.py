"""The command is killed, cancelled, or started twice: what is written stays, and the next run does the rest."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
from conftest import COMMAND, cut_speech
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.settings import PREFECT_API_AUTH_STRING

from flows.host.private_folder import private_folder

NAMES = [f"piece {i:02}.wav" for i in range(12)]


def command(tiny_en: str, small_models: Path, files: Path, out: Path) -> list[str]:
    """Return the command line."""
    options = ["--model", tiny_en, "--language", "en", "--compute_type", "int8", "--device", "cpu"]
    options += ["--align_model", str(small_models / "align-tiny"), "--ray_dashboard", "False"]
    return [COMMAND, str(files), *options, "-o", str(out), "--report", str(out.parent / f"{out.name}.json")]


def wait_for_outputs(out: Path, count: int, run: "subprocess.Popen[str]") -> None:
    """Wait until so many files have been written."""
    deadline = time.monotonic() + 300
    while len(list(out.glob("*.json"))) < count and time.monotonic() < deadline and run.poll() is None:
        time.sleep(0.05)
    assert run.poll() is None, run.communicate()[1]


def stored(out: Path) -> dict[str, int]:
    """Return the stage results that are there, whole, and when each was written."""
    found = {}
    for path in (out / ".whisperx-batch" / "results").rglob("*-*"):
        try:
            json.loads(path.read_text())
        except ValueError:
            continue
        found[str(path)] = path.stat().st_mtime_ns
    return found


def written(out: Path) -> dict[str, bytes]:
    """Return all outputs."""
    return {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}


def test_a_killed_run_loses_nothing_and_the_next_does_the_rest(
    alone: dict[str, str], tiny_en: str, small_models: Path, tmp_path: Path
) -> None:
    """SIGKILL: no process is left after 30 s, nothing half-written, no run Running; and no token in any log."""
    token = f"hf_{os.urandom(12).hex()}"
    alone["HF_TOKEN"] = token
    files, out = cut_speech(tmp_path / "files", *NAMES), tmp_path / "out"
    line = command(tiny_en, small_models, files, out)
    first = subprocess.Popen(line, env=alone, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for_outputs(out, 1, first)
    second = subprocess.run(line, env=alone, capture_output=True, text=True, check=False)
    assert second.returncode == 2
    assert f"another run (process {first.pid} on " in second.stderr
    wait_for_outputs(out, 3, first)
    ours = psutil.Process(first.pid).children(recursive=True)
    first.send_signal(signal.SIGKILL)
    first.wait()
    _, left = psutil.wait_procs(ours, timeout=30)
    assert [process.name() for process in left] == []
    before, kept, finished = stored(out), written(out), json.loads((tmp_path / "out.json").read_text())
    # The report of a run that did not end, and of no earlier one.
    assert {each["status"] for each in finished["files"]} == {"waiting"}
    assert {each["error"] for each in finished["files"]} == {None}

    done = subprocess.run(line, env=alone, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "out.json").read_text())
    statuses = Counter(each["status"] for each in report["files"])
    assert statuses["skipped"] >= 2
    assert statuses["skipped"] + statuses["done"] == len(NAMES)
    assert {path: when for path, when in stored(out).items() if path in before} == before
    assert {name: content for name, content in written(out).items() if name in kept} == kept
    assert len(written(out)) == 5 * len(NAMES)
    assert not list(out.rglob(".whisperx-batch-*"))
    with sqlite3.connect(f"file:{tmp_path / 'prefect' / 'prefect.db'}?mode=ro", uri=True) as rows:
        runs = Counter(state for (state,) in rows.execute("SELECT state_type FROM flow_run WHERE name LIKE '%→%'"))
        tasks = {state for (state,) in rows.execute("SELECT DISTINCT state_type FROM task_run")}
        flows = {state for (state,) in rows.execute("SELECT DISTINCT state_type FROM flow_run")}
    assert runs == {"CRASHED": 1, "COMPLETED": 1}
    assert not {"RUNNING", "PENDING"} & (tasks | flows)
    ray_logs = private_folder() / "ray" / "session_latest" / "logs"
    assert ray_logs.is_dir()
    for folder in (tmp_path, ray_logs):
        found = subprocess.run(["grep", "-rl", token, str(folder)], capture_output=True, text=True, check=False)
        assert found.stdout == ""


@pytest.mark.usefixtures("api_url")
def test_a_run_that_is_cancelled_in_prefect_ends(
    api_url: str, alone: dict[str, str], tiny_en: str, small_models: Path, tmp_path: Path
) -> None:
    """By `prefect flow-run cancel`, with no worker to do it: within 30 s, Cancelled, with all that is done."""
    alone |= {"PREFECT_API_URL": api_url, "PREFECT_API_AUTH_STRING": str(PREFECT_API_AUTH_STRING.value())}
    files, out = cut_speech(tmp_path / "files", *NAMES, *[f"more {name}" for name in NAMES]), tmp_path / "out"
    run = subprocess.Popen(
        command(tiny_en, small_models, files, out), env=alone, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    wait_for_outputs(out, 2, run)
    ours = psutil.Process(run.pid).children(recursive=True)
    with get_client(sync_client=True) as client:
        (flow_run,) = client.read_flow_runs(flow_run_filter=FlowRunFilter(name={"like_": str(out)}))
        prefect = str(Path(sys.executable).parent / "prefect")
        subprocess.run([prefect, "flow-run", "cancel", str(flow_run.id)], env=alone, check=True, capture_output=True)
        cancelled = time.monotonic()
        _, errors = run.communicate(timeout=60)
        assert time.monotonic() - cancelled < 30, errors
        assert run.returncode == 130, errors
        _, left = psutil.wait_procs(ours, timeout=2)
        assert [process.name() for process in left] == []
        state = client.read_flow_run(flow_run.id).state
        assert state
        assert state.is_cancelled()
        assert str(state.message).startswith("cancelled in Prefect; 24 files: ")
    report = json.loads((tmp_path / "out.json").read_text())
    assert 2 <= report["summary"]["done"] < len(report["files"])
    assert {each["status"] for each in report["files"]} == {"done", "left"}
    assert report["summary"]["ended_early"] == "cancelled in Prefect"
    assert errors.splitlines()[-1] == "whisperx-batch: cancelled in Prefect; the same command goes on where it stopped"
    assert "failed  " not in errors
    for path in [path for each in report["files"] for path in each["outputs"]]:
        assert Path(path).is_file()
    assert not list(out.rglob(".whisperx-batch-*"))


def test_a_run_whose_ray_is_killed_ends_with_a_summary_and_the_reason(
    alone: dict[str, str], tiny_en: str, small_models: Path, tmp_path: Path
) -> None:
    """Ray would end the run a minute later, without a word of ours; what is not done is left, and not failed."""
    files, out = cut_speech(tmp_path / "files", *[f"{i}.wav" for i in range(60)]), tmp_path / "out"
    line = command(tiny_en, small_models, files, out)
    run = subprocess.Popen(line, env=alone, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for_outputs(out, 1, run)
    (head,) = [each for each in psutil.Process(run.pid).children(recursive=True) if each.name() == "gcs_server"]
    head.kill()
    _, errors = run.communicate(timeout=120)
    assert run.returncode == 1, errors
    report = json.loads((tmp_path / "out.json").read_text())
    assert {each["status"] for each in report["files"]} == {"done", "left"}, errors
    assert report["summary"]["ended_early"].startswith("Ray's head process at ")
    assert f"{report['summary']['left']} left for the next run; " in errors
    assert "failed  " not in errors


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_run_of_which_every_file_has_begun(
    alone: dict[str, str], tiny_en: str, small_models: Path, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    """Nothing is left to be admitted then: the command only waits for the stages, which must be told to end."""
    met = tmp_path / "met"
    met.mkdir()
    alone |= {"PYTHONPATH": str(Path(__file__).parent / "injected"), "WHISPERX_BATCH_TEST_FAULTS": str(met)}
    files, out = cut_speech(tmp_path / "files", "long transcribe-hang.wav", "short.wav"), tmp_path / "out"
    run = subprocess.Popen(
        command(tiny_en, small_models, files, out),
        env=alone,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # What runs in the background of a script ignores it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    deadline = time.monotonic() + 120
    while not list(met.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.1)
    run.send_signal(number)
    try:
        _, errors = run.communicate(timeout=60)
    finally:
        run.kill()
    assert run.returncode == status, errors
    report = json.loads((tmp_path / "out.json").read_text())
    assert report["summary"]["left"] >= 1
    assert {each["status"] for each in report["files"]} <= {"done", "left"}


def test_a_signal_before_the_flow_begins_is_reported_too(
    alone: dict[str, str], tiny_en: str, small_models: Path, tmp_path: Path
) -> None:
    """Else a script would read the report of the night before."""
    files, out = cut_speech(tmp_path / "files", "a.wav"), tmp_path / "out"
    line = command(tiny_en, small_models, files, out)
    run = subprocess.Popen(line, env=alone, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not psutil.Process(run.pid).children() and time.monotonic() < deadline:
        time.sleep(0.05)  # Ray and the server begin to start
    run.terminate()
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 143, errors
    report = json.loads((tmp_path / "out.json").read_text())
    assert (report["summary"]["ended_early"], report["summary"]["left"]) == ("told to end by a signal", 1)
    assert "1 left for the next run" in errors
