"""What a run of ours finds there: nothing, the services of `make up`, warm pools, or a Ray cluster of several nodes."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from flows.host.ray_loopback import LOOPBACK_RAY

ROOT = Path(__file__).parent.parent.parent
PREFECT_PORT, RAY_PORT = "4300", "6279"
"""Beside a `make up` at the usual ones. Higher ones of Ray would take it among the ports of its workers."""
SETTLE_S = 15
"""Until Ray's dashboard and first workers, which go on starting, are idle."""
Services = Callable[[Path], AbstractContextManager[dict[str, str]]]
"""Given a Prefect home with a database, they yield the environment that a run needs."""


@contextmanager
def nothing(home: Path) -> Iterator[dict[str, str]]:
    """Leave it to the run to start all."""
    yield {"PREFECT_HOME": str(home)}


@contextmanager
def box(home: Path) -> Iterator[dict[str, str]]:
    """Run what `make up` runs."""
    settings = {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_API_PORT": PREFECT_PORT,
        "WHISPERX_BATCH_RAY_PORT": RAY_PORT,
        "WHISPERX_BATCH_RECORDINGS": str(home / "recordings"),
        "WHISPERX_BATCH_TRANSCRIPTS": str(home / "transcripts"),
    }
    program, environment = [sys.executable, "-m", "deployments.box"], {**os.environ, **settings}
    try:
        subprocess.run([*program, "up"], cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
        time.sleep(SETTLE_S)
        api = f"http://127.0.0.1:{PREFECT_PORT}/api"
        yield {**settings, "PREFECT_API_URL": api, "RAY_ADDRESS": f"127.0.0.1:{RAY_PORT}", "RAY_AUTH_MODE": "token"}
    finally:
        subprocess.run([*program, "down"], cwd=ROOT, env=environment, check=True)


@contextmanager
def warm_pools(home: Path) -> Iterator[dict[str, str]]:
    """Leave it to runs to start all, beside what the user keeps warm, and end what they have kept."""
    folder = tempfile.mkdtemp(prefix="bench", dir="/tmp")  # short: Ray makes sockets below
    added = {"PREFECT_HOME": str(home), "RAY_TMPDIR": folder}
    command = [str(Path(sys.executable).parent / "whisperx-batch"), "--stop_warm"]
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"} | added
    try:
        yield added
    finally:
        subprocess.run(command, env=environment, check=True, stderr=subprocess.DEVNULL)
        shutil.rmtree(folder, ignore_errors=True)


def cluster(nodes: int) -> Services:
    """Return services with a Ray cluster of so many nodes on this machine, each with one logical CPU."""

    @contextmanager
    def running(home: Path) -> Iterator[dict[str, str]]:
        os.environ["PREFECT_HOME"] = str(home)  # the server reads it
        os.environ[LOOPBACK_RAY] = "0"
        from ray.cluster_utils import Cluster

        from flows.services.prefect_server import LocalServer

        ray = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        try:
            for _ in range(nodes - 1):
                ray.add_node(num_cpus=1)
            ray.wait_for_nodes()
            with LocalServer() as server, server.used():
                yield {"PREFECT_HOME": str(home), **server.environment(), "RAY_ADDRESS": str(ray.address)}
        finally:
            ray.shutdown()

    return running
