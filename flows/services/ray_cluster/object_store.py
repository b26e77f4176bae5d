"""Where Ray's object store is: in memory, if /dev/shm is large enough."""

import math
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108
ARGUMENT = "--plasma_directory="
"""How Ray passes the folder of the object store to its node process."""


def disk_notice(processes: Iterable[psutil.Process], size: int) -> str | None:
    """Return a warning, with the remedy, if the store of `size` bytes is on disk; None if it is in memory.

    `processes` are those of Ray on this machine.
    """
    if sys.platform != "linux":
        return None
    for process in processes:
        with suppress(psutil.Error):
            for argument in process.cmdline():
                if argument.startswith(ARGUMENT) and Path(argument.removeprefix(ARGUMENT)) != SHARED_MEMORY:
                    return _notice(argument.removeprefix(ARGUMENT), size)
    return None


def _notice(folder: str, size: int) -> str:
    free = psutil.disk_usage(str(SHARED_MEMORY)).free // 10**6
    return (
        f"Ray keeps decoded audio on disk, in {folder}, which is slower: {SHARED_MEMORY} has only {free} MB free. "
        f"To keep it in memory enlarge {SHARED_MEMORY}: docker run --shm-size={math.ceil(size / 2**30)}g"
    )
