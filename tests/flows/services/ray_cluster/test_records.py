"""flows/services/ray_cluster/records.py: the contract with Ray's control store, which has no public interface."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest
import ray

from flows.services.ray_cluster.records import MEMORY, holders, in_words, job_has_ended, memory_at_death, record_of

pytestmark = pytest.mark.usefixtures("one_ray")


class Anyone:
    """An actor."""

    def pid(self) -> int:
        """Return its process."""
        return os.getpid()


def test_the_record_of_an_actor_says_whether_its_process_is_up_and_how_often_one_has_died() -> None:
    """And that no memory was the cause."""
    actor = ray.remote(Anyone).options(num_cpus=0.1, max_restarts=-1, max_task_retries=-1).remote()
    try:
        before = ray.get(actor.pid.remote())
        assert (record_of(actor).up, record_of(actor).restarts) == (True, 0)
        os.kill(before, signal.SIGKILL)
        deadline = time.monotonic() + 60
        while not (record_of(actor).restarts and record_of(actor).up) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert record_of(actor).restarts == 1
        assert ray.get(actor.pid.remote()) != before
        assert memory_at_death(actor) is None
    finally:
        ray.kill(actor)


def test_who_holds_resources_is_told_by_driver() -> None:
    """But for the actors that are named; amounts in a placement group count once."""
    group = ray.util.placement_group([{"CPU": 0.5, "GPU": 0.5}])
    strategy = ray.util.scheduling_strategies.PlacementGroupSchedulingStrategy(group, 0)
    placed = ray.remote(Anyone).options(num_cpus=0.5, num_gpus=0.5, scheduling_strategy=strategy).remote()
    alone = ray.remote(Anyone).options(num_cpus=0.25).remote()
    try:
        ray.get([placed.pid.remote(), alone.pid.remote()])
        (mine,) = [each for each in holders([]) if f"process {os.getpid()} on " in each]
        assert "0.75 CPUs and 0.5 GPUs" in mine
        (mine,) = [each for each in holders([placed]) if f"process {os.getpid()} on " in each]
        assert "(0.25 CPUs)" in mine
    finally:
        ray.kill(placed)
        ray.kill(alone)
        ray.util.remove_placement_group(group)


def test_the_job_of_a_driver_has_ended_once_that_is_gone() -> None:
    """Also if it was killed; one that Ray does not know has ended long ago."""
    driver = (
        "import os, ray, sys; ray.init(sys.argv[1], log_to_driver=False, configure_logging=False); "
        "print(ray.get_runtime_context().get_job_id(), flush=True); os.kill(os.getpid(), 9)"
    )
    line = [sys.executable, "-c", driver, ray.get_runtime_context().gcs_address]
    environment = {**os.environ, "RAY_AUTH_MODE": "token"}
    job = subprocess.run(line, env=environment, capture_output=True, text=True, check=False).stdout.split()[-1]
    deadline = time.monotonic() + 30
    while not job_has_ended(job) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert job_has_ended(job)
    assert job_has_ended("ffffffff")
    assert not job_has_ended(ray.get_runtime_context().get_job_id())


def test_amounts_are_told_in_words() -> None:
    """One is one."""
    assert in_words(Counter({"CPU": 1.0, "GPU": 0.4, "memory": 1e9})) == "1 CPU and 0.4 GPUs"
    assert in_words(Counter()) == "nothing"


def test_how_full_the_memory_was_is_read_from_rays_sentence() -> None:
    """As Ray 2.60 writes it; tests/faults/test_ray.py has it written."""
    detail = (
        "1 worker(s) were killed due to the node running low on memory. Memory on the node (IP: 10.0.0.7, ID: 5f7f) "
        "was 22.90GB used / 23.54GB limit (0.97)\nOOM kill reason: ..."
    )
    found = MEMORY.search(detail)
    assert found
    assert found.groupdict() == {"ip": "10.0.0.7", "used": "22.90GB", "limit": "23.54GB"}
