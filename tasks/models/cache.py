"""Models stay loaded: one of each kind in a process, shared by its threads."""

import sys
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
M = TypeVar("M")

load_counts: Counter[str] = Counter()
"""How often this process has loaded a model, by stage."""


def forget_calls() -> None:
    """Empty the caches of functools in all modules of `tasks`: what they hold may be another for the next run.

    What `cached_model` holds stays.
    """
    for name, module in list(sys.modules.items()):
        if name.startswith("tasks."):
            for function in list(vars(module).values()):
                if hasattr(function, "cache_clear"):
                    function.cache_clear()


def cached_model(stage: str, most: int | None = None) -> Callable[[Callable[P, M]], Callable[P, M]]:
    """Cache what a loader returns, by its arguments, and count the loads of `stage`.

    With `most`, the least recently used is dropped before another is loaded; threads that still use it may go on.
    Unlike with functools.cache, threads that ask for a model while it loads wait for it instead of loading it again.
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
                    load_counts[stage] += 1
                return model

        return loaded

    return decorate
