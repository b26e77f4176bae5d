"""Ray for the length of a run: joined where there is a cluster, else started here, by one owner."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import ray

from flows.layout import Node


@dataclass(frozen=True)
class RaySession:
    """The Ray that a run uses."""

    nodes: list[Node]
    object_store_bytes: int
    dashboard_url: str | None
    logs: str | None
    """Folder on this machine where the actors' output is, if Ray was started here."""


@contextmanager
def ray_session(address: str | None, dashboard: bool) -> Iterator[RaySession]:
    """Join the cluster at `address` or RAY_ADDRESS, or start Ray on this machine and stop it afterwards."""
    own = not ray.is_initialized()
    if own:
        _start(address or os.environ.get("RAY_ADDRESS"), dashboard)
    try:
        alive = [node for node in ray.nodes() if node["Alive"]]
        resources = [node["Resources"] for node in alive]
        worker = ray._private.worker.global_worker  # type: ignore[attr-defined]
        url = worker.node.webui_url if worker.node else None
        yield RaySession(
            [Node(each.get("CPU", 0.0), int(each.get("GPU", 0))) for each in resources],
            int(sum(each.get("object_store_memory", 0) for each in resources)),
            f"http://{url}" if url else None,
            worker.node.get_logs_dir_path() if worker.node else None,
        )
    finally:
        if own:
            ray.shutdown()


def _start(address: str | None, dashboard: bool) -> None:
    if address and address.startswith("ray://"):
        raise ValueError(
            f"{address}: a Ray client does not survive a break in the network; run whisperx-batch on a machine of the "
            "cluster with the address of its head, such as head:6379"
        )
    in_main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGTERM) if in_main else None
    if address:
        ray.init(address=address, namespace="prefect", log_to_driver=False, configure_logging=False)
    else:
        # "local": without an address Ray would quietly join whatever cluster last ran on this machine.
        ray.init(
            address="local",
            namespace="prefect",
            include_dashboard=dashboard,
            dashboard_host="127.0.0.1",
            log_to_driver=False,
            configure_logging=False,
        )
    if in_main:
        # ray.init puts its own handler there, with which a cancelled run would end as a crash.
        signal.signal(signal.SIGTERM, handler)
