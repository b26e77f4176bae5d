"""How Ray starts on this machine for one run: without what the run does not use, and beside other Rays.

Ray starts its processes one after another before it answers, and each imports Ray. Without the unused ones it takes
2 core-s instead of 5. The methods are Ray's internals; tests/flows/services/ray_cluster/test_session.py holds the
contract.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ray._private.node import Node

UNUSED = (
    "start_monitor",  # the autoscaler, for clusters that a cloud provides
    "start_log_monitor",  # sends the output of workers to the driver, which does not show it
    "start_api_server",  # for the dashboard and submitted jobs
)
NO_IDLE_WORKERS = {"RAY_prestart_worker_first_driver": "0"}
"""Variables with which Ray starts a process when an actor needs one, rather than beforehand for each core."""


START_RAYLET = Node.start_raylet


@contextmanager
def for_one_run(*, dashboard: bool) -> Iterator[None]:
    """Let a Ray that is started in this `with` have the processes that its actors need, and a port of its own.

    With a `dashboard` it has all processes.
    """
    methods: dict[str, Callable[..., None]] = {"start_raylet": _start_raylet}
    if not dashboard:
        methods |= dict.fromkeys(UNUSED, lambda *_, **__: None)
    originals = {name: getattr(Node, name) for name in methods}
    for name, method in methods.items():
        setattr(Node, name, method)
    try:
        yield
    finally:
        for name, method in originals.items():
            setattr(Node, name, method)


def _start_raylet(node: Node, *args: Any, **kwargs: Any) -> None:
    """Start the raylet with an agent that listens on any free port.

    By default it is 52365; where another Ray's agent listens there, this one tries again for three seconds, and Ray
    does not answer before.
    """
    node._ray_params.dashboard_agent_listen_port = 0  # noqa: SLF001
    START_RAYLET(node, *args, **kwargs)
