"""Batches of several files, computed together by one thread where that saves time."""

from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Batch(Protocol):
    """Part of one file, as a model computes it."""

    @property
    def size(self) -> int:
        """How much may be computed at a time."""

    @property
    def batch_key(self) -> Hashable:
        """What batches must have in common to be computed as one."""

    def __len__(self) -> int: ...


B = TypeVar("B", bound=Batch)
R = TypeVar("R")


@dataclass(eq=False)
class _Waiting(Generic[B, R]):
    """A batch in the queue, and its results once they are there."""

    batch: B
    isolated: bool = False
    """To be computed alone: computing it with others failed, and any of them may be at fault."""
    found: R | None = None


class SharedBatches(Generic[B, R]):
    """Computes batches of all files of this process in one thread.

    It takes the batch that has waited longest, and fills it up with those of other files that wait too: no file waits
    for a batch to fill. A batch is not split. If batches that are computed together fail, each is computed by itself,
    and the fault meets the file that has it.
    """

    def __init__(self, compute: Callable[[Sequence[B]], Sequence[R]], name: str) -> None:
        """`compute` returns the results of each of several batches; `name` is the thread's."""
        self._compute = compute
        self._thread = ThreadPoolExecutor(1, name)
        # Threads of several files add to and remove from it; each operation is atomic, so it needs no lock.
        self._waiting: list[_Waiting[B, R]] = []

    def submit(self, batch: B) -> "Future[R]":
        """Queue a batch and return the future of its results; cancelling that takes the batch out of the queue."""
        waiting: _Waiting[B, R] = _Waiting(batch)
        self._waiting.append(waiting)
        future = self._thread.submit(self._filled, waiting)
        future.add_done_callback(lambda done: self._waiting.remove(waiting) if done.cancelled() else None)
        return future

    def _filled(self, waiting: _Waiting[B, R]) -> R:
        """Compute a batch with what fits beside it, unless that was done already."""
        self._waiting.remove(waiting)
        if waiting.found is None and (others := self._compatible(waiting)):
            together = [waiting, *others]
            try:
                for each, found in zip(together, self._compute([each.batch for each in together]), strict=True):
                    each.found = found
            except Exception:
                for each in together:
                    each.isolated = True
        # Not in the handler: until its end the error holds the GPU's memory that the try took.
        return self._compute([waiting.batch])[0] if waiting.found is None else waiting.found

    def _compatible(self, waiting: _Waiting[B, R]) -> list[_Waiting[B, R]]:
        """Return the waiting batches with the same `batch_key` that fit beside this one."""
        found: list[_Waiting[B, R]] = []
        room = waiting.batch.size - len(waiting.batch)
        for other in [] if waiting.isolated else self._waiting.copy():
            free = other.found is None and not other.isolated
            if free and len(other.batch) <= room and other.batch.batch_key == waiting.batch.batch_key:
                found.append(other)
                room -= len(other.batch)
        return found
