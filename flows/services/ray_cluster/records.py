"""Reads Ray's control store: whether an actor's process died, and why; who holds what; which machines are to leave.

These are Ray's internals; tests/flows/services/ray_cluster/test_records.py holds the contract. The error of a call
says only that the actor "is unavailable", whether the network broke, the process crashed, or Ray freed memory.
"""

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from ray._private.state import state
from ray.core.generated import common_pb2, gcs_pb2

ActorTableData: Any = gcs_pb2.ActorTableData  # type: ignore[attr-defined]
JobTableData: Any = gcs_pb2.JobTableData  # type: ignore[attr-defined]
WorkerTableData: Any = gcs_pb2.WorkerTableData  # type: ignore[attr-defined]
OUT_OF_MEMORY: Any = common_pb2.WorkerExitType.NODE_OUT_OF_MEMORY  # type: ignore[attr-defined]
MEMORY = re.compile(r"Memory on the node \(IP: (?P<ip>[^,]+),.*?\) was (?P<used>\S+) used / (?P<limit>\S+) limit")


@dataclass(frozen=True)
class ActorRecord:
    """The state of an actor, as recorded."""

    up: bool
    """Its process runs, and its constructor has returned."""
    restarts: int
    """How many processes of it have died."""


def record_of(actor: Any) -> ActorRecord:
    """Return the record of an actor; one that is not registered yet is not up."""
    table = _table_of(actor)
    return ActorRecord(table.state == ActorTableData.ALIVE, table.num_restarts)


def memory_at_death(actor: Any) -> str | None:
    """Return how full the memory was if Ray ended the actor's last process to free memory; None if it did not."""
    dead = [each.worker_id for each in _table_of(actor).previous_incarnations][-1:]
    for entry in state._connect_and_get_accessor().get_worker_table() if dead else ():
        worker = WorkerTableData.FromString(entry)
        if worker.worker_address.worker_id in dead and worker.exit_type == OUT_OF_MEMORY:
            found = MEMORY.search(worker.exit_detail)
            return "{used} of {limit} on {ip}".format(**found.groupdict()) if found else "nearly all of the machine's"
    return None


def holders(actors: list[Any]) -> list[str]:
    """Return each driver process that holds CPUs or GPUs of the cluster, with how many; without these actors."""
    ours = {actor._actor_id.binary() for actor in actors}
    accessor = state._connect_and_get_accessor()
    held: dict[bytes, Counter[str]] = {}
    for entry in accessor.get_actor_table(None, None):
        table = ActorTableData.FromString(entry)
        if table.actor_id not in ours and table.state == ActorTableData.ALIVE:
            held.setdefault(table.job_id, Counter()).update(_amounts(table.required_resources))
    drivers = {job.job_id: f"process {job.driver_pid} on {job.driver_address.ip_address}" for job in _jobs()}
    return [f"{drivers.get(job, 'another')} ({in_words(amounts)})" for job, amounts in held.items() if amounts.total()]


def job_has_ended(job: str) -> bool:
    """Return whether the driver process of a job, by Ray's identifier, is gone; also if it was killed."""
    return not any(each.job_id.hex() == job and not each.is_dead for each in _jobs())


def draining_nodes() -> Collection[str]:
    """Return the identifiers of the machines that are about to leave."""
    nodes: dict[str, int] = state.get_draining_nodes()
    return nodes


def in_words(amounts: Counter[str]) -> str:
    """Return amounts of CPUs and GPUs in words."""
    counts = {name: f"{round(amounts[name], 4):g}" for name in ("CPU", "GPU") if round(amounts[name], 4)}
    return " and ".join(f"{count} {name}{'' if count == '1' else 's'}" for name, count in counts.items()) or "nothing"


def _jobs() -> list[Any]:
    accessor = state._connect_and_get_accessor()
    table = accessor.get_job_table(skip_submission_job_info_field=True, skip_is_running_tasks_field=True)
    return [JobTableData.FromString(entry) for entry in table]


def _table_of(actor: Any) -> Any:
    found = state.get_actor_info(actor._actor_id)
    return ActorTableData.FromString(found) if found else ActorTableData()


def _amounts(required: Any) -> dict[str, float]:
    """Return the CPUs and GPUs that an actor requires; in a placement group Ray lists them twice, with its name."""
    amounts = {key.partition("_group_")[0]: amount for key, amount in required.items()}
    return {name: amounts[name] for name in ("CPU", "GPU") if name in amounts}
