"""What goes wrong in a stage: what is worth another try, a GPU without room, a process that is past use."""

import errno
import time
from collections.abc import Callable
from typing import Any, TypeVar

from prefect import Task
from prefect.client.schemas.objects import TaskRun
from prefect.states import State

R = TypeVar("R")

RETRIES = 2
RETRY_DELAYS_S = [1.0, 4.0]
"""Short: a task that waits to be retried keeps its slot in the actor."""

LASTING_ERRNOS = frozenset(
    {
        errno.EACCES,
        errno.EDQUOT,
        errno.EISDIR,
        errno.ENAMETOOLONG,
        errno.ENOENT,
        errno.ENOSPC,
        errno.ENOTDIR,
        errno.EPERM,
        errno.EROFS,
    }
)
LASTING_ERRORS = (ValueError, TypeError, LookupError, AttributeError, NotImplementedError, AssertionError)
"""What a program raises at values that will be the same the next time."""
NO_ROOM = (
    "out of memory",
    "STATUS_ALLOC_FAILED",
    "OUT_OF_MEMORY",
    "is probably too large",  # pyannote.audio
    "cudaErrorInvalidDevice",  # what CTranslate2's next try of a file may say; the one after it works
)
POISONING = (
    "CUDA error",
    "CUDA failed with error",  # CTranslate2
    "cuBLAS failed",
    "cuDNN failed",
    "CUBLAS_STATUS",
    "CUDNN_STATUS",
    "device-side assert",
    "illegal memory access",
)
"""Words of errors after which every further CUDA call of the process fails too."""


class FileFault(Exception):
    """The fault is in the file, or in its surroundings; its words say it all."""

    passing = False
    """It will be there the next time."""
    lasting = False
    """It is in the content of the file: it will be there in every later run, until the file changes."""


class GpuOutOfMemory(FileFault):
    """The GPU has no room for this file even in batches of one; the other actors that share it may make room."""

    passing = True


def why(error: Exception) -> str:
    """Return what the system, a store or FFmpeg says of an error."""
    return getattr(error, "strerror", None) or str(error)


def is_passing(error: BaseException) -> bool:
    """Tell whether another try may help."""
    if isinstance(error, FileFault):
        return error.passing
    if isinstance(error, OSError):
        return error.errno not in LASTING_ERRNOS
    lasting = isinstance(error, LASTING_ERRORS) or "NOT_SUPPORTED" in str(error)
    return not lasting and not is_poisoning(error)


def will_last(error: BaseException) -> bool:
    """Tell whether a later run would meet the error again: it comes from the content, not from the surroundings."""
    if isinstance(error, FileFault):
        return error.lasting
    return isinstance(error, LASTING_ERRORS)


def retry_passing(task: Task[Any, Any], run: TaskRun, state: State[Any]) -> bool:
    """Decide for Prefect whether a task run that failed is run again; its `retry_condition_fn`."""
    try:
        state.result()
    except Exception as error:
        return is_passing(error)
    return True


class Patience:
    """So many further tries, for all that is read outside Prefect's tasks.

    Shared by many files: a share that is gone must not be waited for file by file.
    """

    def __init__(self, tries: int) -> None:
        self._left = tries

    def again(self, run: Callable[[], R]) -> R:
        """Run this, and again after short delays while what goes wrong may pass, as Prefect's retries do."""
        for delay_s in RETRY_DELAYS_S:
            try:
                return run()
            except Exception as error:
                if not is_passing(error) or self._left <= 0:
                    raise
                self._left -= 1
                time.sleep(delay_s)
        return run()


def again(run: Callable[[], R]) -> R:
    """Run this, and again after short delays while what goes wrong may pass."""
    return Patience(RETRIES).again(run)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether a GPU had no room.

    That is torch.OutOfMemoryError, or the RuntimeError of CTranslate2, cuBLAS and cuDNN, or the MemoryError that
    pyannote.audio makes of it in diarization and VAD (`Inference.infer`).
    """
    return isinstance(error, (RuntimeError, MemoryError)) and any(words in str(error) for words in NO_ROOM)


def is_poisoning(error: BaseException) -> bool:
    """Tell whether this process cannot use its GPU any more."""
    text = str(error)
    harmless = is_out_of_memory(error) or "NOT_SUPPORTED" in text
    return isinstance(error, RuntimeError) and not harmless and any(words in text for words in POISONING)


def halving(batch_size: int, run: Callable[[int], R]) -> R:
    """Run with this batch size; halve it down to 1 while the GPU has no room. Raises GpuOutOfMemory."""
    while True:
        try:
            return run(batch_size)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            full = str(error)
        # After the handler: until then the error, and what is raised there, hold the tensors of the try that failed.
        _free_gpu_memory()
        if batch_size == 1:
            raise GpuOutOfMemory(f"gpu_oom: no room on the GPU even with batch size 1: {full}")
        batch_size //= 2


def _free_gpu_memory() -> None:
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
