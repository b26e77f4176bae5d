"""Measure a large run in shards: `python benchmarks/shards.py [FILES] [SHARD_SIZE]`.

Files of one second go through the real command and its real stages, with a server of their own; what the models would
do takes no time. For each tenth of the files it prints the core-ms a file of the driver and of the server, the driver's
memory and the size of the database; at the end the first and the last of these once more, the longest times without an
output, after how many files each was, those at the ends of shards, and how many states of task runs a file has in the
database. That stays, for benchmarks/pages.py. For 10,000 files: `python benchmarks/shards.py 10000`.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from cases.comparisons import tiny
from cases.corpora import made, noise
from conftest import COMMAND
from machines import FAULTS

FOLDER = Path("shards").absolute()
OUT, DATABASE = FOLDER / "out", FOLDER / "prefect"
AROUND = 50
"""So many files before and after the end of a shard its last ones and the first of the next come through."""


class Meter:
    """What the driver and the server have used, and how large the database is."""

    def __init__(self, driver: int, server: int) -> None:
        self._processes = psutil.Process(driver), psutil.Process(server)

    def __call__(self) -> tuple[float, float, float, float]:
        """Return the core-seconds of both, the driver's memory in MB, the database in MB."""
        cores = [sum(process.cpu_times()[:2]) for process in self._processes]
        memory = self._processes[0].memory_info().rss / 1e6
        return *cores, memory, sum(path.stat().st_size for path in DATABASE.glob("prefect.db*")) / 1e6


def outputs() -> int:
    """Return how many files are written."""
    return sum(entry.name.endswith(".srt") for entry in os.scandir(OUT)) if OUT.exists() else 0


def watch(run: "subprocess.Popen[bytes]", meter: Meter, files: int) -> list[str]:
    """Print the figures of each tenth of the files, until the run ends; return them."""
    before, at, lines = meter(), 0, []
    while run.poll() is None:
        time.sleep(0.5)
        count = outputs()
        if count >= at + files / 10:
            figures = meter()
            driver, server, _, size = (
                1000 * (after - earlier) / (count - at) for after, earlier in zip(figures, before, strict=True)
            )
            lines.append(
                f"{count} files: driver {driver:.1f}, server {server:.1f} core-ms, database {size:.1f} kB a file; "
                f"driver {figures[2]:.0f} MB; load {os.getloadavg()[0]:.1f}"
            )
            print(lines[-1], flush=True)
            before, at = figures, count
    return lines


def pauses() -> list[tuple[float, int]]:
    """Return the seconds between one output and the next, and after how many files."""
    times = sorted(entry.stat().st_mtime for entry in os.scandir(OUT) if entry.name.endswith(".srt"))
    return [(b - a, i) for i, (a, b) in enumerate(pairwise(times), start=1)]


def summarize(files: int, shard_size: int, lines: list[str]) -> None:
    """Print what is measured over the whole run."""
    print("first and last:", *lines[:1], *lines[-1:], sep="\n  ")
    found = pauses()
    longest = ", ".join(f"{seconds:.1f} s after {i} files" for seconds, i in sorted(found, reverse=True)[:5])
    print(f"longest times without an output: {longest}")
    at_ends = [max(found[max(end - AROUND, 0) : end + AROUND])[0] for end in range(shard_size, len(found), shard_size)]
    if at_ends:
        first, last, most = at_ends[0], at_ends[-1], max(at_ends)
        print(f"around the ends of shards: first {first:.1f} s, last {last:.1f} s, most {most:.1f} s")
    with sqlite3.connect(f"file:{DATABASE / 'prefect.db'}?mode=ro", uri=True) as rows:
        counts = [rows.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in ("task_run", "task_run_state")]
    print(f"{counts[0] / files:.1f} task runs and {counts[1] / files:.1f} states of them a file")


def main(files: int, shard_size: int) -> None:
    """Run it."""
    shutil.rmtree(OUT, ignore_errors=True)
    shutil.rmtree(DATABASE, ignore_errors=True)
    os.environ |= {"PREFECT_HOME": str(DATABASE), "PREFECT_SERVER_EPHEMERAL_ENABLED": "false", "HF_HUB_OFFLINE": "1"}
    # In the actors: no sleep at all.
    os.environ |= {"PYTHONPATH": str(FAULTS / "sleeping"), "WHISPERX_BATCH_TEST_SLEEPS": str(FOLDER)}
    (FOLDER / "sleeps.json").write_text("{}")
    made(FOLDER / "files", noise, 1, files)
    line = [COMMAND, str(FOLDER / "files"), "-o", str(OUT), *tiny().options()]
    line += ["-f", "srt", "--shard_size", str(shard_size)]
    from flows.services.prefect_server import LocalServer

    with LocalServer() as server, server.used():
        environment = {**os.environ, **server.environment()}
        began = time.monotonic()
        run = subprocess.Popen(
            [*line, "--ray_dashboard", "False"], env=environment, stdout=-3, stderr=(FOLDER / "log").open("wb")
        )
        lines = watch(run, Meter(run.pid, server._process.pid), files)  # noqa: SLF001
        wall_s = time.monotonic() - began
    print(f"{files} files in shards of {shard_size}: {wall_s:.0f} s, exit status {run.returncode}")
    summarize(files, shard_size, lines)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    main(*(int(each) for each in (sys.argv[1:] + ["3000", "1000"][len(sys.argv) - 1 :])))
