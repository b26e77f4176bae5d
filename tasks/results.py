"""The results of stages in Prefect's result storage: their keys, and how they are read again."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE, CacheKeyFnPolicy
from prefect.context import TaskRunContext
from prefect.filesystems import LocalFileSystem, RemoteFileSystem
from prefect.results import ResultStore
from prefect.serializers import JSONSerializer
from prefect.transactions import get_transaction

from tasks import locations, places
from tasks.faults import RETRIES, RETRY_DELAYS_S, again, retry_passing

P = ParamSpec("P")
R = TypeVar("R")

VERSION = "v2"
"""To be raised when this program changes what a stage makes of the same audio and options."""


@cache
def _whisperx() -> str:
    return version("whisperx")


def options_digest(*parts: Any) -> str:
    """Return 64 bits, in hex, that stand for options (anything that JSON holds), WhisperX's version, and ours."""
    canonical = json.dumps([VERSION, _whisperx(), *parts], sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def result_key(stage: str, digest: str, options: str) -> str:
    """Return a stage result's key, which is also its path in the result storage."""
    return f"{stage}/{VERSION}/{digest}-{options}"


def _key_of_file(context: TaskRunContext, parameters: dict[str, Any]) -> str | None:
    key: str | None = parameters["file"].keys.get(context.task.name)
    return key


BY_CONTENT_AND_OPTIONS = CacheKeyFnPolicy(cache_key_fn=_key_of_file)
"""The cache policy of the stages: the planner has given each file its keys, by its content and the options.

Not Prefect's INPUTS, which would hash the audio, nor RUN_ID, with which no run would find another's results; and never
with `key_storage`, where a torn record counts as cached for ever."""


def stage_task(name: str, *, kept: bool) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a function with a parameter `file` the task of a stage, whose results are `kept` for later runs or not."""
    return task(
        name=name,
        task_run_name="{file.name}",
        retries=RETRIES,
        retry_delay_seconds=RETRY_DELAYS_S,
        retry_condition_fn=retry_passing,
        cache_policy=BY_CONTENT_AND_OPTIONS if kept else NO_CACHE,
        persist_result=kept,
        result_serializer="json" if kept else None,
        cache_result_in_memory=not kept,
    )


def keep_no_result() -> None:
    """Let what the current task run returns go to the stages after it, but not into the storage for later runs."""
    if transaction := get_transaction():
        transaction.write_on_commit = False


@cache
def storage_of(folder: str) -> Path | RemoteFileSystem:
    """Return Prefect's storage of results in this folder, as a task takes it."""
    if not locations.is_url(folder):
        return Path(folder)
    storage = RemoteFileSystem(basepath=folder)
    # Prefect wants the place, which holds no secret, to be known to its server.
    storage.save(f"whisperx-batch-results-{hashlib.sha256(folder.encode()).hexdigest()[:12]}", overwrite=True)
    return storage


@cache
def result_store(folder: str) -> ResultStore:
    """Return the store of results in this folder, as the tasks write them: JSON, one file each."""
    storage = RemoteFileSystem(basepath=folder) if locations.is_url(folder) else LocalFileSystem(basepath=folder)
    return ResultStore(result_storage=storage, serializer=JSONSerializer(), cache_result_in_memory=False)


@dataclass(frozen=True)
class StoredResult:
    """A stage result of an earlier run; what a task gets in place of an upstream task's result."""

    folder: str
    key: str

    def exists(self) -> bool:
        """Tell whether it is there and whole: Prefect does not write it in one step. Raises OSError."""
        try:
            json.loads(places.read(locations.join(self.folder, self.key)))
        except (FileNotFoundError, ValueError):
            return False
        return True

    def read(self) -> Any:
        """Return the result. Raises RuntimeError if it is broken, and removes it then, so that it is made again."""
        try:
            return again(lambda: result_store(self.folder).read(self.key).result)
        except OSError:
            raise
        except Exception as error:
            places.remove(locations.join(self.folder, self.key))
            raise RuntimeError(f"its stored result {self.key} was broken and is removed; run again: {error}") from error
