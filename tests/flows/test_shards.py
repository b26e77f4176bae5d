"""flows/shards.py: a large batch in several subflows is one run in all that its user sees."""

import json
import shutil
import subprocess
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import COMMAND, cut_speech
from prefect.settings import PREFECT_API_AUTH_STRING
from prefect_client import Prefect
from runs import Done, run_batch, transcribing

NAMES = [f"piece {i:02}.wav" for i in range(24)]
STAGES = {"load audio", "transcribe", "align", "check", "write"}
FINAL = {"COMPLETED", "FAILED", "CANCELLED", "CRASHED"}


class Command:
    """The command with shards of three files, on a server that keeps its runs."""

    def __init__(self, environment: dict[str, str], files: Path, tiny_en: str, small_models: Path) -> None:
        self.environment = environment
        self.out = files.parent / "out"
        options = ["--model", tiny_en, "--language", "en", "--compute_type", "int8", "--device", "cpu"]
        options += ["--align_model", str(small_models / "align-tiny"), "--ray_dashboard", "False", "-f", "json"]
        options += ["-o", str(self.out), "--report", str(files.parent / "report.json"), "--shard_size", "3"]
        self.line = [COMMAND, str(files), *options]

    def start(self) -> "subprocess.Popen[str]":
        """Start it."""
        return subprocess.Popen(self.line, env=self.environment, text=True, stdout=-1, stderr=-1)

    def wait_for_outputs(self, count: int, run: "subprocess.Popen[str]") -> None:
        """Wait until so many files have been written."""
        deadline = time.monotonic() + 180
        while len(list(self.out.glob("*.json"))) < count and time.monotonic() < deadline and run.poll() is None:
            time.sleep(0.05)
        assert run.poll() is None, run.communicate()[1]

    def report(self) -> dict[str, Any]:
        """Return the report of the last run."""
        return dict(json.loads((self.out.parent / "report.json").read_text()))


def last_run(prefect: Prefect, out: Path) -> dict[str, Any]:
    """Return the newest run with these outputs."""
    runs = prefect.post("/flow_runs/filter", flow_runs={"name": {"like_": str(out)}}, sort="START_TIME_DESC")
    return dict(runs[0])


def task_runs(prefect: Prefect, stages: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the task runs of these stages."""
    return list(prefect.post("/task_runs/filter", flow_runs={"id": {"any_": [each["id"] for each in stages.values()]}}))


def check_overlap(prefect: Prefect, shards: dict[str, dict[str, Any]]) -> None:
    """Assert that a shard's files enter before the last of the shard before leave.

    Not each's: on a busy machine three files may be through before Prefect has started a subflow.
    """
    times = []
    for _, shard in sorted(shards.items()):
        stages = prefect.stages(shard["id"])
        assert stages.keys() == STAGES
        began = min(each["start_time"] for each in task_runs(prefect, {"": stages["load audio"]}))
        if ends := [each["end_time"] for each in task_runs(prefect, {"": stages["write"]})]:
            times.append((began, max(ends)))
    assert any(next_begins < ends for (_, ends), (next_begins, _) in pairwise(times)), times


@pytest.mark.usefixtures("api_url")
def test_a_run_in_shards_is_cancelled_resumed_and_reported_as_one(
    api_url: str, alone: dict[str, str], tiny_en: str, small_models: Path, tmp_path: Path
) -> None:
    """Cancelled in its second shard, all below it ends too; the next run does the rest, fails one file and says so.

    `--only failed` then needs no shards, and looks as any small run.
    """
    alone |= {"PREFECT_API_URL": api_url, "PREFECT_API_AUTH_STRING": str(PREFECT_API_AUTH_STRING.value())}
    prefect, files = Prefect(alone), cut_speech(tmp_path / "files", *NAMES)
    command = Command(alone, files, tiny_en, small_models)

    first = command.start()
    command.wait_for_outputs(4, first)
    run = last_run(prefect, command.out)
    prefect.post(f"/flow_runs/{run['id']}/set_state", state={"type": "CANCELLING", "name": "Cancelling"})
    _, errors = first.communicate(timeout=60)
    assert first.returncode == 130, errors
    done = command.report()["summary"]["done"]
    assert 4 <= done < 20
    assert prefect.get(f"/flow_runs/{run['id']}")["state_type"] == "CANCELLED"
    shards = prefect.stages(run["id"])
    assert shards.keys() >= {"shard 1 of 8", "shard 2 of 8"}
    stages = [stage for shard in shards.values() for stage in prefect.stages(shard["id"]).values()]
    assert {each["state_type"] for each in [*shards.values(), *stages]} <= FINAL

    second = command.start()
    command.wait_for_outputs(done + 1, second)
    lost = (files / NAMES[-1]).read_bytes()
    (files / NAMES[-1]).unlink()
    _, errors = second.communicate(timeout=180)
    assert second.returncode == 1, errors
    summary = command.report()["summary"]
    assert (summary["skipped"], summary["done"], summary["failed"]) == (done, 23 - done, 1)
    assert summary["model_loads"] == {"transcribe": 1, "align": 1}
    run = last_run(prefect, command.out)
    shards, number = prefect.stages(run["id"]), -(-(24 - done) // 3)
    assert sorted(shards) == [f"shard {i} of {number}" for i in range(1, number + 1)]
    assert [shards[name]["state_type"] for name in sorted(shards)] == ["COMPLETED"] * (number - 1) + ["FAILED"]
    check_overlap(prefect, shards)
    artifacts = prefect.artifacts(run["id"])
    table = artifacts["whisperx-batch-shards"]["data"]
    assert f"24 files in {number} shards" in table
    assert table.count("| ended |") == number
    assert "## Shards" in artifacts["whisperx-batch-report"]["data"]
    last = prefect.artifacts(shards[f"shard {number} of {number}"]["id"])["whisperx-batch-report"]["data"]
    assert f"# Shard {number} of {number}: " in last
    assert NAMES[-1] in last
    assert "## Failed" in last

    (files / NAMES[-1]).write_bytes(lost)
    third = subprocess.run([*command.line, "--only", "failed"], env=alone, capture_output=True, text=True, check=False)
    assert third.returncode == 0, third.stderr
    run = last_run(prefect, command.out)
    # What an earlier run was asked for a file counts, and may have been speakers.
    assert prefect.stages(run["id"]).keys() == STAGES | {"diarize"}
    assert "whisperx-batch-shards" not in prefect.artifacts(run["id"])
    assert len(list(command.out.glob("*.json"))) == 24


def states(prefect: Prefect, done: Done) -> list[str]:
    """Return the states and messages of the shards that a run has started, in their order."""
    shards = sorted(prefect.stages(done.run.id).items())
    return [f"{shard['state_type']} {shard['state']['message']}" for _, shard in shards]


def lose_model(model: Path, out: Path, count: int) -> None:
    """Once so many files are written, remove the model, and kill the process that has loaded it."""
    while len(list(out.glob("*.json"))) < count:
        time.sleep(0.05)
    model.rename(model.with_name("removed"))
    for process in psutil.Process().children(recursive=True):
        if any("ray::StageProcess" in part for part in process.cmdline()):
            process.kill()


@pytest.mark.usefixtures("one_ray")
def test_a_run_in_shards_that_stops_or_breaks_starts_no_further_shard(
    api_url: str, tiny_en: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First by `--stop_after`; the next run, whose model is lost on the way, fails no file and leaves the rest too."""
    auth = str(PREFECT_API_AUTH_STRING.value())
    prefect = Prefect({"PREFECT_API_URL": api_url, "PREFECT_API_AUTH_STRING": auth})
    files, model = cut_speech(tmp_path / "files", *NAMES), Path(shutil.copytree(tiny_en, tmp_path / "model"))
    options = {"transcribe": transcribing(str(model)), "align": None, "models": {"device": "cpu"}}
    with monkeypatch.context() as patch:
        for module in ("batch", "pipeline"):
            patch.setattr(f"flows.{module}.seconds_left", lambda _stop_after, _began: 3.0)
        stopped = run_batch(files, tmp_path / "out", **options, run={"shard_size": 3, "stop_after": "06:30"})
    done = stopped.report["summary"]["done"]
    assert 0 < done < len(NAMES)
    assert stopped.state.message == f"24 files: {done} done, {len(NAMES) - done} left for the next run"
    begun = states(prefect, stopped)
    whole = done // 3
    assert begun[:whole] == ["COMPLETED 3 files: 3 done"] * whole
    assert all(state.endswith("left for the next run") for state in begun[whole:]), begun
    assert len(begun) <= whole + 2, "the next one may have started, ahead of the end of the one before"

    losing = threading.Thread(target=lose_model, args=(model, tmp_path / "out", done + 4))
    losing.start()
    broken = run_batch(files, tmp_path / "out", **options, run={"shard_size": 3})
    losing.join()
    summary = broken.report["summary"]
    assert summary["ended_early"].startswith("the pool 'all stages' cannot load its models: ")
    assert (summary["skipped"], summary["failed"]) == (done, 0)
    assert summary["done"] >= 1
    assert summary["left"] == len(NAMES) - done - summary["done"] > 0
    assert broken.run.state_name == "Failed"
    begun = states(prefect, broken)
    assert len(begun) < -(-(len(NAMES) - done) // 3)
    assert all(state.startswith(("COMPLETED", "FAILED")) for state in begun)
    assert begun[-1].startswith("FAILED")
    assert begun[-1].endswith("left for the next run")
