"""A driver of pools for whom Ray itself makes trouble: what tests/faults/test_ray.py runs, as a process of its own.

`silent ADDRESS` joins a Ray and runs a few tasks in a process that answers nobody for some seconds;
`memory` starts a Ray and waits for what breaks its pools, which the environment says.
"""

import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.states import Completed, State

sys.path.insert(0, str(Path(__file__).parent.parent))
from planners import Fixed

from flows.pools.group import Pools
from flows.pools.sizing import PoolSpec
from flows.pools.task_runner import ActorPoolTaskRunner
from flows.pools.worker import ActorOptions
from tasks.models.options import ModelOptions
from tasks.transcribe import TranscribeOptions

TASKS = 4
SILENT_S = 20


@task(cache_policy=NO_CACHE, persist_result=False)
def tell() -> int:
    """Return the process that ran this."""
    return os.getpid()


def in_flow(pools: Pools, body: Callable[[], Any]) -> Any:
    """Run something in a stage's flow."""
    returned = []

    @flow(name="trouble", persist_result=False, task_runner=ActorPoolTaskRunner("load audio", pools))
    def trouble() -> State[Any]:
        returned.append(body())
        return Completed()

    trouble()
    return returned[0]


def silent(pools: Pools) -> None:
    """Print what became of each task, and whether the process that was stopped ran them all."""

    def body() -> tuple[int, list[Any]]:
        first = tell.submit()
        first.wait()
        stopped = first.fetch()
        # Stopped before it is called: gRPC looks only twice whether a silent peer is there, a second after the last
        # message and another, then not for minutes.
        os.kill(stopped, signal.SIGSTOP)
        threading.Timer(SILENT_S, os.kill, (stopped, signal.SIGCONT)).start()
        futures = [tell.submit() for _ in range(TASKS)]
        for future in futures:
            future.wait()
        return stopped, futures

    stopped, futures = in_flow(pools, body)
    errors = [future.outcome.error for future in futures]
    pids = {future.fetch() for future in futures if future.outcome.error is None}
    sys.stdout.write(json.dumps({"errors": errors, "same process": pids == {stopped}}))


def memory(pools: Pools) -> None:
    """Print what the pools say in the end."""
    error = pools.broken.result(timeout=240)
    sys.stdout.write(json.dumps({"kind": type(error).__name__, "said": str(error)}))


def main() -> None:
    """Run what the command line names."""
    logging.basicConfig(level=logging.WARNING)
    order, *arguments = sys.argv[1:]
    resources = {} if arguments else {"num_cpus": 1}
    ray.init(address=arguments[0] if arguments else "local", log_to_driver=False, namespace="prefect", **resources)
    specs = [PoolSpec("light", ("load audio",), size=1, slots=1, num_cpus=0.5)]
    batch = ActorOptions(ModelOptions(), TranscribeOptions(), None, None)
    pools = Pools(Fixed(specs), batch)
    pools.start(audio_left=float)
    try:
        {"silent": silent, "memory": memory}[order](pools)
    finally:
        pools.close()


if __name__ == "__main__":
    main()
