"""Ray makes trouble: its network breaks, its memory is full, its resources are in use. The run goes on, or says why."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import ray
from planners import Fixed
from prefect.settings import PREFECT_API_AUTH_STRING
from ray.util import placement_group_table

from flows.pools.group import Pools
from flows.pools.placement import CannotBePlaced
from flows.pools.sizing import PoolSpec
from flows.pools.worker import ActorOptions
from flows.services.failures import PoolNotUp
from tasks.models.options import ModelOptions
from tasks.transcribe import TranscribeOptions

DRIVER = Path(__file__).parent / "troubled_driver.py"
NOTICES_SILENCE = {"RAY_grpc_client_keepalive_time_ms": "1000", "RAY_grpc_client_keepalive_timeout_ms": "1500"}
"""After 2.5 seconds, instead of minutes."""
MEMORY_IS_FULL = {"RAY_memory_usage_threshold": "0.001", "RAY_memory_monitor_refresh_ms": "100"}
BATCH = ActorOptions(ModelOptions(), TranscribeOptions(), None, None)


def driven(environment: dict[str, str], *arguments: str) -> tuple[dict[str, Any], str]:
    """Run the driver; return what it has printed, and what it has logged."""
    done = subprocess.run(
        [sys.executable, str(DRIVER), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.stdout, done.stderr
    return json.loads(done.stdout), done.stderr


@pytest.mark.usefixtures("one_ray")
def test_an_actor_that_was_unreachable_has_not_died(api_url: str) -> None:
    """What it ran is run again by the same process, and counted against no file."""
    address = ray.get_runtime_context().gcs_address
    server = {
        "RAY_AUTH_MODE": "token",
        "PREFECT_API_URL": api_url,
        "PREFECT_API_AUTH_STRING": str(PREFECT_API_AUTH_STRING.value()),
    }
    found, log = driven(server | NOTICES_SILENCE, "silent", address)
    assert found == {"errors": [None] * 4, "same process": True}, log
    assert "was unreachable; what it ran is run again" in log
    assert "died" not in log


def test_memory_that_is_full_ends_the_run_with_that_reason() -> None:
    """Not after an hour: Ray would start the process again, and end it again, for ever."""
    found, log = driven(MEMORY_IS_FULL, "memory")
    assert found["kind"] == "ModelsNotLoaded", log
    assert found["said"].startswith(
        "the pool 'light' cannot load its models: Ray ended its process because memory ran out ("
    )
    assert " of " in found["said"]
    assert "a smaller --batch_size" in found["said"]


def gpu_pool(said: list[str]) -> Pools:
    """Start a pool that needs half of the one GPU, and loads nothing."""
    specs = [PoolSpec("light", ("load audio",), size=1, slots=1, num_cpus=0.5, num_gpus=0.5)]
    pools = Pools(Fixed(specs), BATCH)
    pools.start(audio_left=float, notify=said.append)
    return pools


def waited(until: Any, seconds: float = 60) -> bool:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not until() and time.monotonic() < deadline:
        time.sleep(0.1)
    return bool(until())


@pytest.mark.usefixtures("one_ray")
def test_a_run_waits_for_others_to_free_a_gpu_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """What for, and who has it; now and then again; without a limit; and goes on when it is free."""
    monkeypatch.setattr("flows.pools.startup.NOTIFY_AFTER_S", dict.fromkeys(("room", "process", "models"), 0.0))
    monkeypatch.setattr("flows.pools.startup.NOTIFY_EVERY_S", 1.0)
    monkeypatch.setattr("flows.pools.startup.LIMIT_S", {"room": float("inf"), "process": 90.0, "models": 90.0})
    program: Any = type("OtherProgram", (), {})
    hog = ray.remote(program).options(num_gpus=0.8, num_cpus=0.5).remote()
    ray.get(hog.__ray_ready__.remote())
    said: list[str] = []
    pools = gpu_pool(said)
    try:
        assert waited(lambda: len(said) >= 2)
        assert not pools.broken.done()
        assert said[0].startswith("waiting for room in the Ray cluster (0 min): the pools need 0.5 CPUs and 0.5 GPUs; ")
        assert f"0.2 GPUs; in use by process {os.getpid()} on " in said[0]
        assert "(0.5 CPUs and 0.8 GPUs)" in said[0]
        ray.kill(hog)
        assert waited(lambda: pools.wait_placed(timeout=1) and pools._replicas[0].ready)
        assert pools.waited_s > 0
        assert not pools.broken.done()
    finally:
        pools.close()


@pytest.mark.usefixtures("one_ray")
def test_a_pool_whose_processes_do_not_start_ends_the_run_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As on a node of a cluster on which a package is missing; said on one line."""
    (tmp_path / "prefect.py").write_text("raise ImportError('no Prefect here')\n")
    monkeypatch.setattr("flows.pools.nodes.standby.runtime_env", lambda: {"env_vars": {"PYTHONPATH": str(tmp_path)}})
    pools = gpu_pool([])
    try:
        error = pools.broken.result(timeout=120)
        assert isinstance(error, PoolNotUp)
        assert str(error).startswith("the pool 'light' has not come up: its processes do not start: ActorDiedError: ")
        assert "no Prefect here" in str(error)
        assert "\n" not in str(error)
    finally:
        pools.close()


@pytest.mark.usefixtures("one_ray")
def test_a_run_whose_machines_do_not_come_back_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it has had some: that is said, and waited for, but not for ever."""
    monkeypatch.setattr("flows.pools.nodes.node_sets.NOTIFY_AFTER_S", 0.0)
    monkeypatch.setattr("flows.pools.nodes.node_sets.LIMIT_S", 4.0)
    monkeypatch.setattr("flows.services.ray_cluster.nodes.alive_nodes", list)
    said: list[str] = []
    pools = gpu_pool(said)
    try:
        error = pools.broken.result(timeout=60)
        assert str(error) == "the machines that ran the pools are gone, and no other has joined in 0 min"
        assert said == [
            "waiting for a machine with room for the pools (0 min): Ray is asked for 8 machines, each with 1 CPU"
        ]
    finally:
        pools.close()


@pytest.mark.usefixtures("one_ray")
def test_a_cluster_without_a_machine_for_the_pools_is_waited_for_without_a_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may scale itself, and is asked for one; where nothing can join, what is too large is refused at once."""
    monkeypatch.setattr("flows.pools.nodes.node_sets.NOTIFY_AFTER_S", 0.0)
    monkeypatch.setattr("flows.pools.nodes.node_sets.LIMIT_S", 0.0)
    large = Fixed([PoolSpec("large", ("load audio",), size=1, slots=1, num_gpus=64.0)], wanted={"GPU": 64.0})
    with pytest.raises(CannotBePlaced, match="large 1 × 64"):
        Pools(large, BATCH)
    monkeypatch.setattr("flows.pools.group.alive_nodes", list)
    said: list[str] = []
    pools = Pools(large, BATCH, waits_for_machines=True)
    pools.start(audio_left=float, notify=said.append)
    try:
        assert waited(
            lambda: any("asked for 8 machines, each with 64 GPUs; the pools reserve more GPUs" in line for line in said)
        )
        assert not pools.broken.done()
        assert not pools.wait_placed(timeout=0)
    finally:
        pools.close()


def asked() -> int:
    """Return how many reservations wait for a machine."""
    return sum(group["state"] == "PENDING" for group in placement_group_table().values())


@pytest.mark.usefixtures("one_ray")
def test_a_cluster_is_asked_for_as_many_machines_as_the_files_left_can_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few at a time, and fewer towards the end of the batch."""
    monkeypatch.setattr("flows.pools.nodes.machine_requests.ASK_EVERY_S", 0.2)
    planner = Fixed([PoolSpec("light", ("load audio",), size=1, slots=1, num_cpus=0.5)], wanted={"GPU": 64.0})
    pools = Pools(planner, BATCH, waits_for_machines=True)
    pools.start(audio_left=float)
    try:
        assert waited(lambda: asked() == 8)
        planner.files = 200  # three machines and this one
        assert waited(lambda: asked() == 3)
        planner.files = 60
        assert waited(lambda: asked() == 0)
    finally:
        pools.close()


@pytest.mark.usefixtures("one_ray")
def test_a_cluster_with_room_that_the_run_does_not_use_is_asked_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would start machines that are not used either."""
    monkeypatch.setattr("flows.pools.nodes.machine_requests.ASK_EVERY_S", 0.2)
    planner = Fixed([PoolSpec("light", ("load audio",), size=1, slots=1, num_cpus=0.5)], wanted={"CPU": 0.5})
    pools = Pools(planner, BATCH, waits_for_machines=True)
    pools.start(audio_left=float)
    try:
        assert waited(lambda: not pools._sets._requests._repeated)
        assert waited(lambda: asked() == 0)
        time.sleep(1)
        assert (asked(), len(pools._sets._requests)) == (0, 0)
    finally:
        pools.close()
