"""How busy machines are: the use of this one, and that of several over time as a small picture of text."""

import shutil
import subprocess
from typing import NamedTuple

import psutil

QUERY = ("--query-gpu=utilization.gpu", "--format=csv,noheader,nounits")
BARS = "▁▂▃▄▅▆▇█"
WIDTH = 40
"""Characters of the picture at most; each is the mean of as many samples as are needed."""


class Usage(NamedTuple):
    """Shares of a machine's CPUs and GPUs that were busy, from 0 to 1; None without a GPU."""

    cpu: float
    gpu: float | None


class UsageMeter:
    """Measures how busy this machine is, from any thread: psutil.cpu_percent begins anew in each."""

    def __init__(self) -> None:
        self._before = _cpu_seconds()

    def read(self) -> Usage:
        """Return the use of all CPUs since the last call, at first since this was made, and of all GPUs just now."""
        before, self._before = self._before, _cpu_seconds()
        busy, total = (now - then for now, then in zip(self._before, before, strict=True))
        return Usage(min(max(busy / total, 0.0), 1.0) if total > 0 else 0.0, _gpus())


def _cpu_seconds() -> tuple[float, float]:
    """Return the seconds that all CPUs were busy, and those in all, since the machine started."""
    times = psutil.cpu_times()
    # On Linux those of virtual machines are in `user` and `nice` too.
    total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return total - times.idle - getattr(times, "iowait", 0.0), total


def _gpus() -> float | None:
    program = shutil.which("nvidia-smi")
    if not program:
        return None
    try:
        ran = subprocess.run([program, *QUERY], capture_output=True, text=True, timeout=5, check=True)
        shares = [int(line) / 100 for line in ran.stdout.split()]
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return sum(shares) / len(shares) if shares else None


class UsageHistory:
    """Samples of the use of all machines of a run, at equal distances in time."""

    def __init__(self) -> None:
        self._samples: list[Usage] = []

    def add(self, machines: list[Usage]) -> None:
        """Add a sample: the use of each machine, of which the mean counts."""
        if machines:
            gpus = [each.gpu for each in machines if each.gpu is not None]
            cpu = sum(each.cpu for each in machines) / len(machines)
            self._samples.append(Usage(cpu, sum(gpus) / len(gpus) if gpus else None))

    def lines(self) -> list[str]:
        """Return a line each for CPUs and GPUs: the picture, and the mean; none without samples."""
        cpu = [each.cpu for each in self._samples]
        gpu = [each.gpu for each in self._samples if each.gpu is not None]
        return [
            f"{name} {picture(shares)} {mean(shares):.0%}" for name, shares in (("CPU", cpu), ("GPU", gpu)) if shares
        ]


def picture(shares: list[float]) -> str:
    """Return a bar for each share, from 0 to 1; of more than WIDTH, for the means of as many equal parts."""
    parts = min(len(shares), WIDTH)
    bounds = [len(shares) * i // parts for i in range(parts + 1)]
    means = [mean(shares[bounds[i] : bounds[i + 1]]) for i in range(parts)]
    return "".join(BARS[min(int(each * len(BARS)), len(BARS) - 1)] for each in means)


def mean(shares: list[float]) -> float:
    """Return the mean of at least one share."""
    return sum(shares) / len(shares)
