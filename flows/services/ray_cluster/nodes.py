"""Which machines of the Ray cluster are up, as they come and go."""

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import ray
from prefect.settings import PREFECT_API_URL

from flows.services.ray_cluster.node import Node
from flows.services.ray_cluster.records import draining_nodes

STANDBY = "whisperx-batch/standby"
"""The label of a machine, as `ray start` gets it, that is to have a process that waits for the next run."""
CHECK_EVERY_S = 1.0
CONNECT_S = 2.0
SILENT_S = 10.0
"""How long a machine may not answer before it counts as gone; its network may be slow."""


def alive_nodes() -> list[Node]:
    """Return the machines of the cluster that are up, as Ray knows; it learns of a death up to half a minute later."""
    draining = draining_nodes()
    return [
        Node(
            cpus=node["Resources"].get("CPU", 0.0),
            gpus=int(node["Resources"].get("GPU", 0)),
            id=node["NodeID"],
            host=node["NodeManagerAddress"],
            port=node["NodeManagerPort"],
            store_bytes=int(node["Resources"].get("object_store_memory", 0)),
            draining=node["NodeID"] in draining,
            standby=node["Labels"].get(STANDBY) == "true" and not node["Resources"].get("GPU"),
        )
        for node in ray.nodes()  # type: ignore[no-untyped-call]
        if node["Alive"]
    ]


def sees_server(node: Node) -> bool:
    """Return whether processes of the machine can reach Prefect's server: not if that listens on this one alone."""
    url = urlsplit(PREFECT_API_URL.value() or "")
    here = (ray.util.get_node_ip_address(), "127.0.0.1")  # type: ignore[no-untyped-call]
    return url.hostname not in ("127.0.0.1", "localhost") or node.host in here


def is_gone(node: Node, timeout: float = 0.2) -> bool:
    """Return whether the machine refuses connections to Ray's process: that has ended, and its actors with it."""
    return _knock(node, timeout) is False


def _knock(node: Node, timeout: float) -> bool | None:
    """Return whether Ray's process listens there; None if nothing answers."""
    try:
        socket.create_connection((node.host, node.port), timeout=timeout).close()
    except ConnectionRefusedError:
        return False
    except OSError:
        return None
    return True


def watch_nodes(ended: threading.Event, changed: Callable[[list[Node]], None]) -> threading.Thread:
    """Call `changed` from another thread with the machines that are up, whenever they change, until `ended` is set.

    Ray takes up to half a minute to notice that a machine has died, so each is asked here too.
    """
    silent_since: dict[str, float] = {}

    def is_up(node: Node) -> bool:
        answer = _knock(node, CONNECT_S)
        if answer is not None:
            silent_since.pop(node.id, None)
            return answer
        return time.monotonic() < silent_since.setdefault(node.id, time.monotonic()) + SILENT_S

    def watch() -> None:
        seen: list[Node] | None = None
        # Side by side, since those that do not answer take CONNECT_S each.
        with ThreadPoolExecutor(8, thread_name_prefix="node watch") as asking:
            while not ended.wait(CHECK_EVERY_S):
                try:
                    known = alive_nodes()
                except Exception:  # noqa: S112 Ray's head does not answer, which watch_ray reports
                    continue
                nodes = [node for node, up in zip(known, asking.map(is_up, known), strict=True) if up]
                if nodes != seen:
                    seen = nodes
                    changed(nodes)

    thread = threading.Thread(target=watch, name="node watch", daemon=True)
    thread.start()
    return thread
