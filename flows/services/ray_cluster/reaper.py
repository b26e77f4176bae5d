"""Ends the processes of a run's own Ray with the run, even if it is killed: Ray's agents would live minutes longer.

Run as a process of its own, whose standard input the run holds open: `python -P …/reaper.py PID…`. It imports
nothing from this package and is started by its path, in case another package is called `flows`.
"""

import select
import sys
from contextlib import suppress

import psutil

CHECK_EVERY_S = 2.0
GRACE_S = 0.5
"""How long Ray's processes have to end by themselves; they have nothing to save, and the command waits."""


def reap(pids: list[int]) -> None:
    """Wait for the end of standard input; then kill these processes and their descendants, if they still run."""
    roots = []
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            roots.append(psutil.Process(pid))
    known = set(roots)
    while True:
        for root in roots:
            with suppress(psutil.NoSuchProcess):
                known.update(root.children(recursive=True))
        if select.select([sys.stdin], [], [], CHECK_EVERY_S)[0]:
            break
    _, left = psutil.wait_procs(known, timeout=GRACE_S)
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()


if __name__ == "__main__":
    reap([int(pid) for pid in sys.argv[1:]])
