"""GPU errors: out of memory, which smaller batches may avoid, and errors after which a process has lost its GPU."""

from collections.abc import Callable
from typing import TypeVar

from tasks.errors import FileFault

R = TypeVar("R")

OUT_OF_MEMORY = (
    "out of memory",
    "STATUS_ALLOC_FAILED",
    "OUT_OF_MEMORY",
    "is probably too large",  # pyannote.audio
    "cudaErrorInvalidDevice",  # CTranslate2 may raise this for the next file; the one after that works
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
"""Messages of errors after which every further CUDA call of the process fails too."""


class GpuOutOfMemory(FileFault):
    """The GPU has no memory for this file even in batches of one. Other processes that share it may free some."""

    passing = True


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether the GPU ran out of memory.

    This is torch.OutOfMemoryError, a RuntimeError of CTranslate2, cuBLAS or cuDNN, or the MemoryError into which
    pyannote.audio turns it in diarization and VAD (`Inference.infer`).
    """
    return isinstance(error, (RuntimeError, MemoryError)) and any(words in str(error) for words in OUT_OF_MEMORY)


def is_poisoning(error: BaseException) -> bool:
    """Return whether this process cannot use its GPU any more."""
    text = str(error)
    harmless = is_out_of_memory(error) or "NOT_SUPPORTED" in text
    return isinstance(error, RuntimeError) and not harmless and any(words in text for words in POISONING)


def with_smaller_batches(batch_size: int, run: Callable[[int], R]) -> R:
    """Call `run` with this batch size, halved down to 1 while the GPU is out of memory. Raises GpuOutOfMemory."""
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
