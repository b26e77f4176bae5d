"""The core-seconds of all processes below this one, also of those that outlive their parents. For Linux."""

import ctypes
import os
import resource
from contextlib import suppress
from typing import NamedTuple

import psutil

PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Let processes whose parents end become children of this process, and their times count as its children's."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def collect_orphans(program: int) -> None:
    """Take note of the ends of adopted processes; that of `program` is for who has started it."""
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess, ChildProcessError):
            if child.pid != program and child.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(child.pid, os.WNOHANG)


class CoreSeconds:
    """What all descendants of this process have used, also those that have ended.

    Who ends adds its times to those of its parent's children, where the parent asks for its end. Ray's raylet does not:
    what a process has been seen to use, and nobody has got, is kept here.
    """

    def __init__(self) -> None:
        self.own: dict[psutil.Process, float] = {}
        """What each process that was there at the last look has used by itself."""
        self._lost = 0.0
        self._times = self._look()

    def __call__(self) -> float:
        """Look again; return the core-seconds, user and system."""
        before, self._times = self._times, self._look()
        ended = sum(sum(times) for pid, times in before.items() if pid not in self._times)
        got = sum(times.children - before.get(pid, NONE).children for pid, times in self._times.items())
        self._lost += max(0.0, ended - got)
        return self._lost + sum(sum(times) for times in self._times.values())

    def _look(self) -> dict[int, "_Times"]:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        found = {os.getpid(): _Times(0.0, children.ru_utime + children.ru_stime)}
        self.own = {}
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                self.own[process] = times.user + times.system
                found[process.pid] = _Times(self.own[process], times.children_user + times.children_system)
        return found


class Kinds:
    """The core-seconds of each kind of process from now on, as they were when it was last seen.

    What a process did after the last look is not among them, nor are those that nobody saw.
    """

    def __init__(self, before: dict[psutil.Process, float]) -> None:
        self._before = before
        self._seen: dict[psutil.Process, tuple[str, float]] = {}

    def look(self, own: dict[psutil.Process, float], program: int) -> None:
        """Take note of what each process has used by itself; `program` is the one that was started."""
        for process, used in own.items():
            with suppress(psutil.NoSuchProcess):
                kind = "driver" if process.pid == program else kind_of(" ".join(process.cmdline()))
                self._seen[process] = kind, used - self._before.get(process, 0.0)

    def sums(self) -> dict[str, float]:
        """Return the core-seconds by kind."""
        kinds = sorted({kind for kind, _ in self._seen.values()})
        return {kind: sum(used for of, used in self._seen.values() if of == kind) for kind in kinds}


def kind_of(command: str) -> str:
    """Return what kind of process has this command line."""
    if command.startswith("ray::") and not command.startswith("ray::IDLE"):
        return "actors"  # Ray gives its workers this title when they get one
    if "/ray/" in command or command.startswith("ray::"):
        return "Ray"
    if "flows.pools.warm.keeper" in command:
        return "keeper"
    return "server" if "prefect" in command or "server_process" in command else "other"


class _Times(NamedTuple):
    own: float
    children: float
    """Of those children that have ended."""


NONE = _Times(0.0, 0.0)
