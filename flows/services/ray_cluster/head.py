"""What Ray would start on this machine, and a run does not use.

Ray starts these processes one after another before it answers, and each imports Ray. Without them it takes 2 core-s
instead of 5. The methods are Ray's internals; tests/flows/services/ray_cluster/test_session.py holds the contract.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from ray._private.node import Node

UNUSED = (
    "start_monitor",  # the autoscaler, for clusters that a cloud provides
    "start_log_monitor",  # sends the output of workers to the driver, which does not show it
    "start_api_server",  # for the dashboard and submitted jobs
)
NO_IDLE_WORKERS = {"RAY_prestart_worker_first_driver": "0"}
"""Variables with which Ray starts a process when an actor needs one, rather than beforehand for each core."""


@contextmanager
def without_unused() -> Iterator[None]:
    """Let a Ray that is started in this `with` have the processes that its actors need, and no others."""
    methods = {name: getattr(Node, name) for name in UNUSED}
    for name in methods:
        setattr(Node, name, lambda *_, **__: None)
    try:
        yield
    finally:
        for name, method in methods.items():
            setattr(Node, name, method)
