"""flows/services/ray_cluster/reaper.py: ends Ray's processes with the run."""

import subprocess
import sys
import time

import psutil

from flows.services.ray_cluster import reaper

STUBBORN = "trap '' TERM; read go; sleep 60; true"
"""A shell that ignores SIGTERM, as its child does, which it starts when it is told to."""


def test_when_it_ends_no_process_is_left_also_none_that_started_last() -> None:
    """The command waits for it, and then looks for what its actors have left; a killed run closes its input, too."""
    root = subprocess.Popen(["sh", "-c", STUBBORN], stdin=subprocess.PIPE, text=True)
    line = [sys.executable, "-P", reaper.__file__, str(root.pid)]
    reaping = subprocess.Popen(line, stdin=subprocess.PIPE)
    time.sleep(0.5)  # it has looked once, and looks again only every two seconds
    assert root.stdin
    print("go", file=root.stdin, flush=True)
    while not (children := psutil.Process(root.pid).children()):
        time.sleep(0.01)
    reaping.communicate(timeout=30)
    assert reaping.returncode == 0
    assert root.wait(timeout=1) == -9
    assert not children[0].is_running() or children[0].status() == psutil.STATUS_ZOMBIE
