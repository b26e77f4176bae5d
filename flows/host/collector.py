"""Python's garbage collector of cycles."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the collector where many objects are made that stay, and none of them in cycles.

    It would walk through all of them again and again: a third of the time that the plan of 100,000 files takes, a sixth
    of that of imports. Afterwards it leaves them out, which saves 0.7 core-s when the interpreter ends.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
