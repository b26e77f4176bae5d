"""Run a program and measure it with all processes that it starts, also those that outlive it. For Linux."""

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from harness.processes import CoreSeconds, Kinds, collect_orphans

INTERVAL_S = 1.0
LEFT_S = 10.0
"""How long what a program leaves behind, such as Ray's processes, has to end and is still counted."""
SMI = ["nvidia-smi", "--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits", "-l", "1"]


@dataclass(frozen=True)
class Sample:
    """A look at all processes: when, in seconds since the start; the cores busy since the look before; MB of memory.

    The memory is what the processes have for themselves, and what the machine's shared memory has grown by, where Ray's
    object store is. (Proportional set sizes would tell better, and take a quarter of a core to ask for each second.)
    `driver_mb` is the resident set size of the program's own process.
    """

    at_s: float
    cores: float
    memory_mb: float
    driver_mb: float


@dataclass
class Measured:
    """What a run took.

    `cpu_s`: core-seconds, user and system; `kinds`: nearly all of them, by the kind of process; `gpu`: its utilisation
    (%) and used MiB each second.
    """

    began: float
    status: int
    seconds: float
    cpu_s: float
    kinds: dict[str, float]
    first_output_s: float | None
    samples: list[Sample]
    gpu: list[tuple[int, int]]


def measure(command: list[str], environment: dict[str, str], out: Path) -> Measured:
    """Run a command that writes JSON to the folder `out`; its log is written beside that.

    All descendants of this process are measured: services that it has started, too. Call `adopt_orphans` before.
    """
    before, samples, stop = set(psutil.Process().children(recursive=True)), list[Sample](), threading.Event()
    out.mkdir(parents=True)
    with out.with_suffix(".log").open("wb") as log, _gpu_watched(out.with_suffix(".gpu")) as gpu:
        core_seconds = CoreSeconds()
        kinds = Kinds(core_seconds.own)
        began, used = time.time(), core_seconds()
        program = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        watch = threading.Thread(target=_watch, args=(program.pid, core_seconds, kinds, stop, samples))
        watch.start()
        os.waitid(os.P_PID, program.pid, os.WEXITED | os.WNOWAIT)
        seconds = time.time() - began
        stop.set()
        watch.join()
        status = program.wait()  # not before: in the middle of a look its core-seconds would count twice
        _wait_for_the_rest(before, core_seconds)
        cpu_s = core_seconds() - used
    first = min((path.stat().st_mtime for path in out.glob("*.json")), default=None)
    return Measured(
        began, status, seconds, cpu_s, kinds.sums(), None if first is None else first - began, samples, gpu()
    )


def _watch(program: int, core_seconds: CoreSeconds, kinds: Kinds, stop: threading.Event, samples: list[Sample]) -> None:
    began = last = time.monotonic()
    used, shared = core_seconds(), psutil.virtual_memory().shared
    while not stop.wait(INTERVAL_S):
        collect_orphans(program)
        now, now_used = time.monotonic(), core_seconds()
        kinds.look(core_seconds.own, program)
        memory, driver = psutil.virtual_memory().shared - shared, 0
        for process in core_seconds.own:
            with suppress(psutil.NoSuchProcess):
                held = process.memory_info()
                memory += held.rss - held.shared
                driver = held.rss if process.pid == program else driver
        samples.append(Sample(now - began, (now_used - used) / (now - last), memory / 1e6, driver / 1e6))
        last, used = now, now_used


def _wait_for_the_rest(before: set[psutil.Process], core_seconds: CoreSeconds) -> None:
    deadline = time.monotonic() + LEFT_S
    while set(psutil.Process().children(recursive=True)) - before and time.monotonic() < deadline:
        time.sleep(0.1)
        core_seconds()
        collect_orphans(0)


@contextmanager
def _gpu_watched(path: Path) -> Iterator[Callable[[], list[tuple[int, int]]]]:
    """Let nvidia-smi write down the GPU's use, where there is one; yields what reads it."""
    smi = None
    with path.open("w") as file:
        with suppress(FileNotFoundError):
            smi = subprocess.Popen(SMI, stdout=file)
        try:
            yield lambda: [
                (int(use), int(mib)) for use, mib in (line.split(",") for line in path.read_text().splitlines())
            ]
        finally:
            if smi:
                smi.terminate()
                smi.wait()
