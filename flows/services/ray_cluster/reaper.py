"""Ends the processes of a run's own Ray with the run, even if it is killed: Ray's agents would live minutes longer.

Run as a process of its own, whose standard input the run holds open: `python -P …/reaper.py PID…`. It imports
nothing from this package and is started by its path, in case another package is called `flows`.
"""

import select
import sys
import time
from contextlib import suppress

import psutil

CHECK_EVERY_S = 2.0
LIMIT_S = 2.0
"""How long a process that was killed may take to be gone; the command waits for it."""


def reap(pids: list[int]) -> None:
    """Wait for the end of standard input; then kill these processes and their descendants: they have nothing to save.

    Returns when they are gone.
    """
    roots = []
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            roots.append(psutil.Process(pid))
    known = _with_descendants(roots)
    while not select.select([sys.stdin], [], [], CHECK_EVERY_S)[0]:
        known |= _with_descendants(roots)
    known |= _with_descendants(roots)
    for process in known:  # parents first: they would start others in place of a child that ends
        with suppress(psutil.NoSuchProcess):
            process.kill()
    until = time.monotonic() + LIMIT_S
    while any(map(_runs, known)) and time.monotonic() < until:
        time.sleep(0.02)


def _with_descendants(roots: list[psutil.Process]) -> dict[psutil.Process, None]:
    """Return them in order, parents before their children."""
    found = dict.fromkeys(roots)
    for root in roots:
        with suppress(psutil.NoSuchProcess):
            found |= dict.fromkeys(root.children(recursive=True))
    return found


def _runs(process: psutil.Process) -> bool:
    """Return whether a process is there, and not only because its parent does not ask how it ended."""
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


if __name__ == "__main__":
    reap([int(pid) for pid in sys.argv[1:]])
