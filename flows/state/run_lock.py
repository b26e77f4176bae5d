"""The lock of a run on its output folder: one run at a time, and an end for a run that could not end itself."""

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from filelock import FileLock, Timeout
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, TaskRunFilter
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import PrefectException
from prefect.states import Crashed, State

from flows.state.private import make_private
from tasks.errors import InvalidInput
from tasks.storage.atomic import atomic_write

PAGE = 200


@contextmanager
def exclusive_run(
    folder: Path, flow_run_id: str | None = None, waiting: Callable[[str], object] | None = None
) -> Iterator[None]:
    """Hold an output folder, by our own `folder` in it, for one run.

    While another run holds it, tells `waiting` by whom and waits; without `waiting`, raises InvalidInput.

    The system frees the lock of a process that is gone, also on storage that machines share. What that process left
    is the name of its flow run, which Prefect would show as running for ever: that run is ended as crashed. The same
    process may lock a folder again that it holds.
    """
    owner = folder / "owner.json"
    try:
        make_private(folder, "--output_dir")
        lock = FileLock(folder / "lock", thread_local=False, is_singleton=True)
        if waiting and _is_held(lock):
            waiting(f"waiting for {_lock_holder(owner)}, which is writing to {folder.parent}")
        lock.acquire(timeout=-1 if waiting else 0, poll_interval=1)
    except OSError as error:
        if not isinstance(error, Timeout):
            raise InvalidInput(f"--output_dir {folder.parent}: {error.strerror}: {folder}") from None
        raise InvalidInput(
            f"--output_dir {folder.parent}: {_lock_holder(owner)} is writing there; wait for it to end"
        ) from None
    try:
        if flow_run_id is not None:
            _end_run_of(owner, flow_run_id)
            _record_holder(owner, flow_run_id)
        yield
        # Not after an exception: if this run ends without a final state, the next one sets it.
        if flow_run_id is not None:
            owner.unlink(missing_ok=True)
    finally:
        lock.release()


def _is_held(lock: FileLock) -> bool:
    try:
        with lock.acquire(timeout=0):
            return False
    except Timeout:
        return True


def _record_holder(owner: Path, flow_run_id: str) -> None:
    with suppress(OSError), atomic_write(owner) as file:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        json.dump({"flow_run_id": flow_run_id, "pid": os.getpid(), "host": socket.gethostname(), "since": since}, file)


def _lock_holder(owner: Path) -> str:
    try:
        found = json.loads(owner.read_text(encoding="utf-8"))
        return f"another run (process {found['pid']} on {found['host']}, since {found['since']})"
    except (OSError, ValueError, KeyError):
        return "another run"


def _end_run_of(owner: Path, flow_run_id: str) -> None:
    try:
        run_id = UUID(json.loads(owner.read_text(encoding="utf-8"))["flow_run_id"])
    except (OSError, ValueError, KeyError):
        return
    # Another server than the one that knew the run, or none: then there is nothing to put right.
    with suppress(PrefectException, httpx.HTTPError), get_client(sync_client=True) as client:
        run = client.read_flow_run(run_id)
        children = _children(client, [run_id])
        # Those of shards are below these.
        stages = _children(client, [each.id for each in children if not _is_final(each)])
        # `prefect flow-run retry` runs on under the same id.
        for each in [*stages, *children, *([run] if run_id != UUID(flow_run_id) else [])]:
            _end(client, each)


def _children(client: SyncPrefectClient, runs: list[UUID]) -> list[FlowRun]:
    """Return the runs inside these, the latest if there are many: earlier shards have ended."""
    inside = FlowRunFilter(parent_flow_run_id={"any_": runs})
    return client.read_flow_runs(flow_run_filter=inside, sort=FlowRunSort.START_TIME_DESC) if runs else []


def _is_final(run: FlowRun) -> bool:
    return bool(run.state and run.state.is_final())


def _end(client: SyncPrefectClient, run: FlowRun) -> None:
    gone: State[Any] = Crashed(message="the process of this run is gone; a later run goes on where it stopped")
    unfinished = TaskRunFilter(state={"type": {"any_": [StateType.PENDING, StateType.RUNNING]}})
    while tasks := client.read_task_runs(
        flow_run_filter=FlowRunFilter(id={"any_": [run.id]}),
        task_run_filter=unfinished,
        limit=PAGE,
    ):
        for task in tasks:
            client.set_task_run_state(task.id, gone, force=True)
        if len(tasks) < PAGE:
            break
    if not _is_final(run):
        client.set_flow_run_state(run.id, gone, force=True)
