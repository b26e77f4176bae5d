"""Models that are not thread-safe: an instance for each thread that computes."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from tasks.models.compute_limits import compute_limits

M = TypeVar("M")


class InstancePool(Generic[M]):
    """Interchangeable instances of a model, made by `make` as needed, at most one for each compute slot."""

    def __init__(self, make: Callable[[], M]) -> None:
        self._make = make
        self._idle: list[M] = []
        self._made = 0
        self._lock = threading.Lock()

    def fill(self) -> None:
        """Make an instance for each compute slot."""
        for _ in range(compute_limits.parallel):
            with self._lock:
                if self._made < compute_limits.parallel:
                    self._idle.append(self._make_one())

    @contextmanager
    def acquire(self) -> Iterator[M]:
        """Take a compute slot and an instance for the length of a `with`; wait while all slots are taken."""
        with compute_limits.slots:
            with self._lock:
                instance = self._idle.pop() if self._idle else self._make_one()
            try:
                yield instance
            finally:
                self._idle.append(instance)

    def _make_one(self) -> M:
        instance = self._make()
        self._made += 1
        return instance
