"""A process that waits for the next run beside a Ray that stays: who gets it, and that outputs are the same."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from conftest import COMMAND, TWO_SPEAKERS
from loopback import free_port
from prefect.settings import PREFECT_API_AUTH_STRING

from flows.host.ray_loopback import LOOPBACK_RAY
from flows.pools.nodes import standby
from flows.pools.nodes.standby import runtime_env_of
from flows.pools.sizing import PoolSpec
from flows.services.ray_cluster.head import NO_IDLE_WORKERS
from flows.services.ray_cluster.node import Node
from flows.services.ray_cluster.nodes import STANDBY
from tasks.models.options import ModelOptions

BIN = Path(sys.executable).parent
ALL = PoolSpec("all stages", ("load audio", "transcribe", "align"), size=1, slots=1)
WAIT_S = 60.0
THREADS = """
import torch
from flows.pools.worker import StageProcess

StageProcess(1, 3)
print(torch.get_num_threads())
"""


@pytest.fixture(name="cluster")
def _cluster(environment: dict[str, str], api_url: str) -> Iterator[dict[str, str]]:
    """The environment of a command beside the Ray of `make up`: it stays, and is to have a process that waits."""
    port = free_port()
    start = ["ray", "start", "--head", "--block", "--num-cpus=2", "--node-ip-address=127.0.0.1", f"--port={port}"]
    start += ["--include-dashboard=false", "--dashboard-agent-listen-port=0"]
    there = {
        **environment,
        **NO_IDLE_WORKERS,
        LOOPBACK_RAY: "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": "of-this-test-alone" * 3,
    }
    line = [str(BIN / start[0]), *start[1:], f"--labels={STANDBY}=true"]
    head = subprocess.Popen(line, env=there, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert head.stdout
    try:
        assert any("Ray runtime started" in said for said in head.stdout)
        there |= {"PREFECT_API_URL": api_url, "PREFECT_API_AUTH_STRING": PREFECT_API_AUTH_STRING.value() or ""}
        yield {**there, "RAY_ADDRESS": f"127.0.0.1:{port}"}
    finally:
        for process in [*psutil.Process(head.pid).children(recursive=True), psutil.Process(head.pid)]:
            process.kill()
        head.wait()


def has_imported(process: psutil.Process) -> bool:
    """Return whether it is one of Ray's without work, and has imported PyTorch."""
    with suppress(psutil.NoSuchProcess, OSError):
        return "ray::IDLE" in process.cmdline() and "libtorch_cpu" in Path(f"/proc/{process.pid}/maps").read_text()
    return False


def waiting() -> int:
    """Return the process that waits, once it has imported PyTorch; there is no other."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        found = [each.pid for each in psutil.Process().children(recursive=True) if has_imported(each)]
        if found:
            (pid,) = found
            return pid
        time.sleep(0.2)
    raise AssertionError("no process waits")


def test_a_run_takes_the_process_that_waits_and_leaves_another_with_the_same_outputs(
    cluster: dict[str, str], tiny_en: str, small_models: Path, tmp_path: Path
) -> None:
    """One that is offline starts a process of its own: libraries read that when they are imported."""
    subprocess.run([sys.executable, "-m", "deployments.standby"], env=cluster, check=True, timeout=WAIT_S)
    first = waiting()
    options = ["--model", tiny_en, "--language", "en", "--compute_type", "int8", "--align_model"]
    options += [str(small_models / "align-tiny"), "--diarize", "--diarize_model", str(small_models / "diarize-tiny")]

    def run(name: str, *more: str) -> dict[str, bytes]:
        line = [COMMAND, str(TWO_SPEAKERS), *options, *more, "-o", str(tmp_path / name)]
        done = subprocess.run(line, env=cluster, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return {path.name: path.read_bytes() for path in (tmp_path / name).glob(f"{TWO_SPEAKERS.stem}.*")}

    outputs = run("with it")
    second = waiting()
    assert second != first
    assert run("without", "--offline") == outputs
    assert json.loads(outputs[f"{TWO_SPEAKERS.stem}.json"])["word_segments"]
    assert waiting() == second


def test_only_runs_that_can_use_it_get_the_process_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not those of other versions than it has imported, nor those that are offline, nor where none is to wait."""
    node, online = Node(cpus=2, gpus=0, standby=True), ModelOptions()
    its = runtime_env_of(ALL, node, online)
    others = [
        runtime_env_of(ALL, Node(cpus=2, gpus=0), online),
        runtime_env_of(ALL, node, ModelOptions(offline=True)),
        runtime_env_of(PoolSpec("load audio", ("load audio",), size=1, slots=1), node, online),
    ]
    monkeypatch.setattr(standby, "programs", lambda: "after an upgrade")
    others.append(runtime_env_of(ALL, node, online))
    assert its not in others


def test_threads_of_a_run_hold_where_pytorch_was_imported_before_it() -> None:
    """PyTorch reads the variable when it is imported."""
    done = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, check=True)
    assert done.stdout == "3\n"
