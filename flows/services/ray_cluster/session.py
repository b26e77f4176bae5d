"""Ray for the length of a run: a cluster that is joined, or one that is started on this machine and stopped."""

import gc
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import psutil
import ray
from ray._private import worker

from flows.host.allocator_env import KEEP_MEMORY
from flows.host.private_folder import private_subfolder
from flows.host.ray_loopback import ray_to_join
from flows.host.ray_token import provide_token
from flows.host.signals import signals_blocked
from flows.preflight.services import check_ray
from flows.services.ray_cluster import reaper
from flows.services.ray_cluster.head import NO_IDLE_WORKERS, for_one_run
from flows.services.ray_cluster.node import Node
from flows.services.ray_cluster.nodes import alive_nodes
from flows.services.ray_cluster.object_store import disk_notice

logger = logging.getLogger(__name__)

STARTS = 3


@dataclass(frozen=True)
class RaySession:
    """The Ray that a run uses."""

    nodes: list[Node]
    joined: bool
    """It is a cluster, which machines may join, rather than a Ray that this process has started on one machine."""
    dashboard_url: str | None
    notice: str | None = None
    """A warning for the user about a Ray that was started here."""
    outlives_us: bool = False
    """It goes on when this process ends."""


@contextmanager
def ray_session(address: str | None, *, dashboard: bool) -> Iterator[RaySession]:
    """Join the cluster at `address` or RAY_ADDRESS, or start Ray on this machine and stop it afterwards.

    Where this process has joined a Ray already, that one is used, and left as it is. Raises InvalidInput if there is no
    cluster at the address.
    """
    with nullcontext() if ray.is_initialized() else _started(address, dashboard=dashboard) as url:
        nodes = alive_nodes()
        store = sum(node.store_bytes for node in nodes)
        notice = disk_notice(psutil.Process().children(), store)
        node: Any = worker._global_node  # noqa: SLF001
        outlives_us = not (node and node.is_head())
        yield RaySession(nodes, ray_to_join(address) is not None, url, notice, outlives_us)


@contextmanager
def _started(address: str | None, *, dashboard: bool) -> Iterator[str | None]:
    check_ray(address)
    before = set(psutil.Process().children())
    url = _start(ray_to_join(address), dashboard=dashboard)
    started = set(psutil.Process().children()) - before
    with _reaper(started) if started else nullcontext():
        try:
            yield url
        finally:
            _shut_down()


def _shut_down() -> None:
    """Leave Ray; end its processes if this one has started them."""
    node = worker._global_node  # noqa: SLF001
    if node and node.is_head():
        # Ray would wait a second for each to end by SIGTERM, from which they are shielded.
        node.kill_all_processes = partial(_kill_all, node.kill_all_processes)
    # An ObjectRef that another thread collects while Ray shuts down would end this process at once.
    gc.disable()
    try:
        ray.shutdown()
    finally:
        gc.enable()


def _kill_all(kill: Callable[..., None], **_: object) -> None:
    kill(check_alive=False, allow_graceful=False, wait=False)


def _start(address: str | None, *, dashboard: bool) -> str | None:
    """Return the address of the dashboard, if there is one."""
    # It warns of actors that stay and can be restarted; flows/pools/warm ends them before their placement group.
    logging.getLogger("ray.actor").setLevel(logging.ERROR)
    in_main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGTERM) if in_main else None
    # ray.init puts its own handler of SIGTERM there, with which a run would end as a crash, also while Ray starts.
    with signals_blocked():
        if address:
            context = ray.init(address=address, namespace="prefect", log_to_driver=False, configure_logging=False)
        else:
            # It warns at every start that its cluster is safe, that is, asks for a token.
            logging.getLogger("ray._private.authentication").setLevel(logging.ERROR)
            # "local": without an address Ray would quietly join whatever cluster last ran on this machine.
            context = _started_here(dashboard=dashboard)
        if in_main:
            signal.signal(signal.SIGTERM, handler)
    return f"http://{context.dashboard_url}" if context.dashboard_url else None


def _started_here(*, dashboard: bool) -> Any:
    """Start Ray on this machine, again if that timed out: Ray gives its processes 30 s, however busy the machine is."""
    provide_token()
    os.environ |= KEEP_MEMORY | NO_IDLE_WORKERS  # for all processes of Ray; this one has read its own
    before = set(psutil.Process().children())
    for left in reversed(range(STARTS)):
        try:
            with for_one_run(dashboard=dashboard):
                return ray.init(
                    address="local",
                    namespace="prefect",
                    include_dashboard=dashboard,
                    dashboard_host="127.0.0.1",
                    log_to_driver=False,
                    configure_logging=False,
                    # Ray lets everybody read its logs, so nobody else may enter the folder.
                    _temp_dir=str(private_subfolder("ray")),
                )
        except Exception as error:
            if not left or "timed out during startup" not in str(error):
                raise
            logger.warning("Ray did not start in time; it is started again: %s", error)
            ray.shutdown()
            for process in set(psutil.Process().children()) - before:
                process.kill()
    raise AssertionError  # the last try returns or raises


def _reaper(started: set[psutil.Process]) -> subprocess.Popen[bytes]:
    """Start the process that ends these processes of Ray once its standard input closes, at the latest by our death."""
    # By its path: the current folder, or another package, may have another module `flows`.
    line = [sys.executable, "-P", reaper.__file__, *(str(process.pid) for process in started)]
    with signals_blocked():
        return subprocess.Popen(line, stdin=subprocess.PIPE, start_new_session=True)
