"""Real runs of the flow in this process, watched while they run and read back through the API."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import ray
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun, TaskRun
from prefect.states import State
from ray._private.internal_api import get_memory_info_reply, get_state_from_address

from flows.batch import whisperx_batch
from flows.config.parameters import Batch


@dataclass
class Watch:
    """What was seen of Ray and of this process while a batch ran."""

    free_gpus: list[float] = field(default_factory=list)
    stored_bytes: list[int] = field(default_factory=list)
    driver_bytes: list[int] = field(default_factory=list)
    actor_pids: set[int] = field(default_factory=set)


@contextmanager
def watching() -> Iterator[Watch]:
    """Look ten times a second."""
    seen, ended = Watch(), threading.Event()
    # Its own address: Ray would look in a file which any `ray start` on the machine writes.
    state = get_state_from_address(ray.get_runtime_context().gcs_address)
    me = psutil.Process()

    def look() -> None:
        while not ended.wait(0.1):
            seen.free_gpus.append(ray.available_resources().get("GPU", 0.0))
            seen.stored_bytes.append(get_memory_info_reply(state).store_stats.object_store_bytes_used)
            seen.driver_bytes.append(me.memory_info().rss)
            for process in me.children(recursive=True):  # other tests may run beside these, with their own Ray
                with suppress(psutil.Error):
                    if any("ray::StageProcess" in part for part in process.cmdline()):
                        seen.actor_pids.add(process.pid)

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    yield seen
    ended.set()
    looking.join()


@dataclass
class Done:
    """A batch that has run."""

    state: State[Any]
    report: dict[str, Any]
    out: Path
    seen: Watch
    run: FlowRun
    stages: dict[str, FlowRun]
    tasks: dict[str, list[TaskRun]]

    def file(self, name: str) -> dict[str, Any]:
        """Return the report's entry of a file."""
        return next(each for each in self.report["files"] if Path(each["path"]).name == name)


def run_batch(folder: Path, out: Path, **options: Any) -> Done:
    """Run the flow in this process, and look at it through the API."""
    report = out.parent / f"{out.name}.report.json"
    batch = Batch.model_validate(
        {"inputs": {"inputs": [str(folder)]}, "write": {"output_dir": str(out)}, **options}
        | {"run": {"report": str(report), **options.get("run", {})}}
    )
    with watching() as seen:
        state = whisperx_batch(**dict(batch), return_state=True)
    return Done(state, json.loads(report.read_text()), out, seen, *_recorded(state.state_details.flow_run_id))


def _recorded(run_id: UUID | None) -> tuple[FlowRun, dict[str, FlowRun], dict[str, list[TaskRun]]]:
    assert run_id
    with get_client(sync_client=True) as client:
        for _ in range(200):  # the server records ends through a queue of events, and may be busy
            run = client.read_flow_run(run_id)
            children = client.read_flow_runs(flow_run_filter=FlowRunFilter(parent_flow_run_id={"any_": [run_id]}))
            names = {child.id: client.read_flow(child.flow_id).name for child in children}
            tasks: dict[str, list[TaskRun]] = {name: [] for name in names.values()}
            for child in children:
                found = client.read_task_runs(flow_run_filter=FlowRunFilter(id={"any_": [child.id]}))
                tasks[names[child.id]] = found
            if all(task.state and task.state.is_final() for found in tasks.values() for task in found):
                break
            time.sleep(0.2)
        return run, {names[child.id]: child for child in children}, tasks


def transcribing(tiny_en: str) -> dict[str, Any]:
    """Return the options of a fast transcription."""
    return {"model": tiny_en, "language": "en", "compute_type": "int8"}
