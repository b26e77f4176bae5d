"""Stage results in Prefect's result storage: their keys, writing and reading."""

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
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
from pydantic import TypeAdapter

from tasks.retries import RETRIES, RETRY_DELAYS_S, retry, retry_passing
from tasks.storage import io, urls

logger = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

VERSION = "v2"
"""Raise it when a stage's result for the same audio and options changes."""
MADE_WITH = {"ctranslate2": "4.8", "faster-whisper": "1.2", "pyannote-audio": "4.0", "torch": "2.8"}
"""Releases whose results the keys of `VERSION` stand for. Any other release stands in the key itself, so that results
of today are found again until one of them is upgraded. A fix release (4.0.7 to 4.0.8) does not count: it would redo
whole archives for nothing."""
CLASSES = frozenset(
    {
        "tasks.transcribe.Transcript",
        "tasks.diarize.Diarization",
        "tasks.quality.verdict.Quality",
        "tasks.transcribe_again.DecodedAgain",
        "tasks.check.SecondPass",
    }
)
"""The classes that a stored result may have."""


@cache
def _whisperx() -> str:
    return version("whisperx")


@cache
def releases(*packages: str) -> dict[str, str]:
    """Return the installed release (major.minor) of each of these packages that is not the one of `MADE_WITH`."""
    installed = {package: ".".join(version(package).split(".")[:2]) for package in packages}
    return {package: release for package, release in installed.items() if release != MADE_WITH[package]}


def options_digest(*parts: Any) -> str:
    """Return a 64-bit digest, in hex, of options (any JSON values), WhisperX's version and VERSION."""
    canonical = json.dumps([VERSION, _whisperx(), *parts], sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def result_key(stage: str, digest: str, options: str) -> str:
    """Return a stage result's key, which is also its path in the result storage."""
    return f"{stage}/{VERSION}/{digest}-{options}"


def stored_result(task: Task[..., Any], parameters: dict[str, Any]) -> "StoredResult | None":
    """Return where the result of a stage's task is stored, whether it is there or not; None if it never is."""
    key: str | None = parameters["file"].keys.get(task.name) if "file" in parameters else None
    storage = task.result_storage
    if not key or storage is None:
        return None
    return StoredResult(storage.basepath if isinstance(storage, RemoteFileSystem) else str(storage), key)


def _key_of_file(context: TaskRunContext, parameters: dict[str, Any]) -> str | None:
    # The engine reads this record next, with whatever serializer the record itself names.
    if stored := stored_result(context.task, parameters):
        stored.remove_unless_ours()
    return parameters["file"].keys.get(context.task.name)  # type: ignore[no-any-return]


BY_CONTENT_AND_OPTIONS = CacheKeyFnPolicy(cache_key_fn=_key_of_file)
"""The cache policy of the stages: the planner has given each file its keys, by its content and the options.

Not Prefect's INPUTS, which would hash the audio, nor RUN_ID, with which no run would find another's results; and never
with `key_storage`, where a torn record counts as cached for ever."""


def stage_task(name: str, *, kept: bool) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a function with a parameter `file` the task of a stage, whose results are `kept` for later runs or not."""
    return task(
        name=name,
        task_run_name="{file.title}",
        retries=RETRIES,
        retry_delay_seconds=RETRY_DELAYS_S,
        retry_condition_fn=retry_passing,
        cache_policy=BY_CONTENT_AND_OPTIONS if kept else NO_CACHE,
        persist_result=kept,
        result_serializer="json" if kept else None,
        cache_result_in_memory=not kept,
    )


def keep_no_result() -> None:
    """Do not store the current task run's result for later runs; later stages of this run still get it."""
    if transaction := get_transaction():
        transaction.write_on_commit = False


@cache
def storage_of(folder: str) -> Path | RemoteFileSystem:
    """Return Prefect's storage of results in this folder, as a task takes it."""
    if not urls.is_url(folder):
        return Path(folder)
    storage = RemoteFileSystem(basepath=folder)
    # Prefect requires the location, which holds no secret, to be registered with its server.
    storage.save(block_name(folder), overwrite=True)
    return storage


def block_name(folder: str) -> str:
    """Return the name of the block by which Prefect's server knows a results location that is a URL."""
    return f"whisperx-batch-results-{hashlib.sha256(folder.encode()).hexdigest()[:12]}"


@cache
def result_store(folder: str) -> ResultStore:
    """Return the store of results in this folder, as the tasks write them: JSON, one file each."""
    storage = RemoteFileSystem(basepath=folder) if urls.is_url(folder) else LocalFileSystem(basepath=folder)
    return ResultStore(result_storage=storage, serializer=JSONSerializer(), cache_result_in_memory=False)


@dataclass(frozen=True)
class StoredResult:
    """A stage result of an earlier run; passed to a task in place of an upstream task's result."""

    folder: str
    key: str

    @property
    def _location(self) -> str:
        return urls.join(self.folder, self.key)

    def exists(self) -> bool:
        """Return whether it exists, is complete (Prefect's writes are not atomic) and is ours. Raises OSError."""
        try:
            _parse(io.read(self._location))
        except (FileNotFoundError, ValueError):
            return False
        return True

    def edit(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the data in place. Raises OSError, ValueError if it is not one of ours."""
        content = io.read(self._location)
        name, data = _parse(content)
        change(data)
        record = json.loads(content) | {"result": json.dumps({"__class__": name, "data": data})}
        io.write_all({self._location: json.dumps(record).encode()})

    def remove_unless_ours(self) -> None:
        """Remove the record if `read` would refuse it. Raises OSError."""
        try:
            _parse(io.read(self._location))
        except FileNotFoundError:
            return
        except ValueError as error:
            logger.warning("%s: removed, and made again: %s", self.key, error)
            io.remove(self._location)

    def read(self) -> Any:
        """Return the result. Raises RuntimeError if it is broken, and removes it then, so that it is made again."""
        try:
            name, data = retry(lambda: _parse(io.read(self._location)))
            module, _, of_class = name.rpartition(".")
            return TypeAdapter(getattr(import_module(module), of_class)).validate_python(data)
        except OSError:
            raise
        except Exception as error:
            io.remove(self._location)
            raise RuntimeError(f"its stored result {self.key} was broken and is removed; run again: {error}") from error


def _parse(content: bytes) -> tuple[str, Any]:
    """Return the class and the data of a record as Prefect stores it. Raises ValueError if it is not one of ours.

    Not Prefect's own reader: that takes the serializer which the record names, so that a record can ask to be
    unpickled, and makes objects of whatever class a part of it names.
    """
    try:
        record = json.loads(content)
        serializer = record["metadata"]["serializer"]
        marked: list[dict[str, Any]] = []
        result = json.loads(record["result"], object_hook=lambda found: _note_class(found, marked))
    except (LookupError, TypeError, RecursionError) as error:
        raise ValueError(f"not a stored result: {error!r}") from error
    expected = JSONSerializer().model_dump()
    if expected | serializer != expected:
        raise ValueError(f"its serializer is {serializer}, not Prefect's JSON")
    if marked != [result] or result.keys() != {"__class__", "data"} or result["__class__"] not in CLASSES:
        raise ValueError(f"it holds other classes than {', '.join(sorted(CLASSES))}")
    return result["__class__"], result["data"]


def _note_class(found: dict[str, Any], marked: list[dict[str, Any]]) -> dict[str, Any]:
    if "__class__" in found or "__exc_type__" in found:
        marked.append(found)
    return found
