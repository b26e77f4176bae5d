"""The models of this process: loaded once, kept warm, and used by no more threads than the process may fill."""

import os
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Generic, Literal, ParamSpec, TypeVar

from pydantic import Field, ValidationInfo, field_validator

from tasks.options import Options

P = ParamSpec("P")
M = TypeVar("M")


class ModelOptions(Options):
    """Where models come from and what they run on, for all stages."""

    model_dir: str | None = Field(None, description="folder where model files are kept (default: the libraries' own)")
    offline: bool = Field(
        False,
        description="reach for nothing outside: only models that are here, which is checked before the run starts",
    )
    model_cache_only: bool = Field(
        False, validate_default=True, description="use models that are already there, never download"
    )
    device: Literal["cuda", "cpu"] | None = Field(None, description="default: cuda where PyTorch sees a GPU")
    device_index: int = Field(0, ge=0, description="no effect: Ray assigns GPUs, see CUDA_VISIBLE_DEVICES")
    threads: int = Field(0, ge=0, description="CPU threads of one model (default: the cores, shared out)")

    @field_validator("model_cache_only")
    @classmethod
    def _offline_is_cache_only(cls, cache_only: bool, info: ValidationInfo) -> bool:  # noqa: FBT001, pydantic's form
        return cache_only or bool(info.data.get("offline"))

    def torch_device(self) -> str:
        """Return the device by name, asking PyTorch where it was left open."""
        if self.device:
            return self.device
        import torch

        return "cuda" if torch.cuda.is_available() else "cpu"


def go_offline() -> None:
    """Let the libraries of this process, and of those that it starts, reach for nothing outside.

    Before any of them is imported: those of Hugging Face read it then.
    """
    os.environ |= {
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "PYANNOTE_METRICS_ENABLED": "false",
        "RAY_USAGE_STATS_ENABLED": "0",
    }


class Share:
    """What this process may use: how many threads compute at a time, and how many threads each model gets."""

    def __init__(self) -> None:
        self.take(parallel=1, threads=0)

    def take(self, parallel: int, threads: int) -> None:
        """Set the share. 0 `threads` leaves the libraries' own defaults."""
        self.parallel = parallel
        self.threads = threads
        self.computing = threading.BoundedSemaphore(parallel)


share = Share()
loads: Counter[str] = Counter()
"""How often this process has loaded a model, per stage."""


def warm(stage: str, most: int | None = None) -> Callable[[Callable[P, M]], Callable[P, M]]:
    """Keep what a loader returns, one for each set of arguments, and count the loads of `stage`.

    With `most`, the one that was used the longest ago makes room; who still uses it may go on. Unlike with
    functools.cache, threads that ask for a model while it loads wait for it instead of loading it again.
    """

    def decorate(load: Callable[P, M]) -> Callable[P, M]:
        kept: OrderedDict[object, M] = OrderedDict()
        looking, loading = threading.Lock(), threading.Lock()

        def find(key: object) -> list[M]:
            with looking:
                if key in kept:
                    kept.move_to_end(key)
                return [kept[key]] if key in kept else []

        @wraps(load)
        def loaded(*args: P.args, **kwargs: P.kwargs) -> M:
            key = (args, tuple(kwargs.items()))
            if found := find(key):  # without waiting for another that loads
                return found[0]
            with loading:
                if found := find(key):
                    return found[0]
                with looking:
                    while most and len(kept) >= most:
                        kept.popitem(last=False)  # before the load: the memory may not hold one more
                model = load(*args, **kwargs)
                with looking:
                    kept[key] = model
                    loads[stage] += 1
                return model

        return loaded

    return decorate


class Lender(Generic[M]):
    """Lends interchangeable instances of a model that is not thread-safe, one to each computing thread."""

    def __init__(self, make: Callable[[], M]) -> None:
        self._make = make
        self._idle: list[M] = []
        self._made = 0
        self._lock = threading.Lock()

    def fill(self) -> None:
        """Make all the instances that the share can use at a time."""
        for _ in range(share.parallel):
            with self._lock:
                if self._made < share.parallel:
                    self._idle.append(self._make_one())

    @contextmanager
    def lend(self) -> Iterator[M]:
        """Lend an instance for the length of a `with`; wait while the process computes all that it may."""
        with share.computing:
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
