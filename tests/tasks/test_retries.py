"""tasks/retries.py, tasks/oom.py: what is worth another try, and what a GPU's errors mean."""

import errno
import os

import pytest
import torch

from tasks.audio.container import UnreadableAudio
from tasks.oom import GpuOutOfMemory, is_out_of_memory, is_poisoning, with_smaller_batches
from tasks.retries import RetryBudget, is_passing, retry


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EIO, "Input/output error"),
        TimeoutError("timed out"),
        ConnectionResetError("reset"),
        RuntimeError("something"),
        GpuOutOfMemory("gpu_oom"),
    ],
)
def test_what_may_pass_is_tried_again(error: Exception) -> None:
    """Faults of a network share, of a hub, of a busy machine, of a GPU that others use too."""
    assert is_passing(error)


@pytest.mark.parametrize(
    "error",
    [
        UnreadableAudio("no audio track"),
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EROFS, "Read-only file system"),
        PermissionError(errno.EACCES, "Permission denied"),
        ValueError("no default align-model for language: xx"),
        KeyError("words"),
        RuntimeError("CUDA error: device-side assert triggered"),
        RuntimeError("cuBLAS failed with status CUBLAS_STATUS_NOT_SUPPORTED"),
    ],
)
def test_what_will_be_the_same_the_next_time_is_not(error: Exception) -> None:
    """A bad file, a full disk, a wrong value, a process without its GPU."""
    assert not is_passing(error)


def test_a_gpu_without_room_is_told_from_one_that_is_lost() -> None:
    """In the words of CTranslate2, of PyTorch, and of the libraries below them."""
    for full in (
        RuntimeError("CUDA failed with error out of memory"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("parallel_for failed: cudaErrorInvalidDevice: invalid device ordinal"),
        MemoryError("batch_size ( 32) is probably too large. Try with a smaller value until memory error disappears."),
    ):
        assert (is_out_of_memory(full), is_poisoning(full)) == (True, False)
    for lost in (
        RuntimeError("CUDA error: an illegal memory access was encountered"),
        RuntimeError("CUDA failed with error unspecified launch failure"),
        RuntimeError("cuDNN failed with status CUDNN_STATUS_EXECUTION_FAILED"),
    ):
        assert (is_out_of_memory(lost), is_poisoning(lost)) == (False, True)
    assert not is_poisoning(ValueError("CUDA error"))
    # A compute type that this GPU does not have fails every file, and harms no process.
    assert not is_poisoning(RuntimeError("cuBLAS failed with status CUBLAS_STATUS_NOT_SUPPORTED"))


def test_batches_are_halved_down_to_one() -> None:
    """And then the try has failed, with a word to look for; nothing of it holds the memory that the next one needs."""
    tried: list[int] = []

    def never_fits(size: int) -> None:
        tried.append(size)
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(GpuOutOfMemory, match="gpu_oom") as raised:
        with_smaller_batches(16, never_fits)
    assert tried == [16, 8, 4, 2, 1]
    assert raised.value.__context__ is None


def test_other_errors_are_not_taken_for_a_full_gpu() -> None:
    """They come through as they are."""
    with pytest.raises(ZeroDivisionError):
        with_smaller_batches(8, lambda size: size // 0)


def test_reading_is_tried_again_while_the_fault_may_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside Prefect's tasks, when a batch is planned."""
    monkeypatch.setattr("tasks.retries.RETRY_DELAYS_S", [0.0, 0.0])
    faults = [OSError(errno.EIO, "io"), OSError(errno.ESTALE, "stale")]

    def read() -> str:
        if faults:
            raise faults.pop()
        return "read"

    assert retry(read) == "read"
    faults += [OSError(errno.EIO, "io")] * 9
    gone = RetryBudget(tries=3)
    for _ in range(4):
        with pytest.raises(OSError, match="io"):
            gone.retry(read)
    assert len(faults) == 2  # three tries for the first file, two for the second, one each for the others
    with pytest.raises(FileNotFoundError):
        retry(lambda: os.stat("/no/such/file"))


def test_faults_that_last_cost_no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many corrupt files must not keep one hiccup of a share from being tried again."""
    monkeypatch.setattr("tasks.retries.RETRY_DELAYS_S", [0.0, 0.0])
    patience = RetryBudget(tries=1)
    for _ in range(60):
        with pytest.raises(FileNotFoundError):
            patience.retry(lambda: os.stat("/no/such/file"))
    faults = [OSError(errno.EIO, "io")]

    def read() -> str:
        if faults:
            raise faults.pop()
        return "read"

    assert patience.retry(read) == "read"
