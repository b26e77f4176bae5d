"""A process that waits for the next run and has imported what its actor uses, most of what that takes to start.

`make up` starts one, and each run that takes it starts another at its end, on machines whose Ray has the label that
asks for it. It knows no run and no model. Not on machines with a GPU: what is imported might look for GPUs
before Ray has assigned one. Nor for runs that are offline: libraries read that when they are imported.
"""

from contextlib import suppress
from importlib import import_module

from flows.host.allocator_env import KEEP_MEMORY, runtime_env
from flows.host.collector import collector_paused
from flows.pools.sizing import PoolSpec
from flows.pools.warm.policy import programs
from flows.services.ray_cluster.idle_process import runtime_env_with, start_idle_process
from flows.services.ray_cluster.node import Node
from tasks.models.options import ModelOptions, decline_statistics

MODULES = ("flows.pools.worker", "whisperx.asr", "whisperx.alignment")
"""What an actor that transcribes and aligns imports, with all that these import."""


def runtime_env_of(spec: PoolSpec, node: Node, models: ModelOptions) -> dict[str, dict[str, str]]:
    """Return Ray's `runtime_env` for an actor, with which it gets the process that waits, if it may have it."""
    return _waiting() if _may_have(spec, node, models) else runtime_env()


def start_next(specs: list[PoolSpec], node: Node, models: ModelOptions) -> None:
    """Start a process for the next run if an actor of these pools may have had one."""
    if any(_may_have(spec, node, models) for spec in specs):
        start_standby(node)


def start_standby(node: Node) -> None:
    """Start a process that waits, on a machine that is to have one."""
    if node.standby:
        start_idle_process(node, _waiting())


def _may_have(spec: PoolSpec, node: Node, models: ModelOptions) -> bool:
    return node.standby and "transcribe" in spec.stages and not models.offline


def _waiting() -> dict[str, dict[str, str]]:
    """Return the `runtime_env` of a process that waits: of one that has imported other versions it differs."""
    variables = {**KEEP_MEMORY, "WHISPERX_BATCH_PROGRAMS": programs()}
    return runtime_env_with(variables, f"{import_libraries.__module__}.{import_libraries.__name__}")


def import_libraries() -> None:
    """Import what the actor will; what cannot be imported is for it to report."""
    decline_statistics()
    with suppress(Exception), collector_paused():
        for name in MODULES:
            import_module(name)
