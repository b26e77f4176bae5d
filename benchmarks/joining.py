"""How the throughput of a run rises when a machine joins: `python benchmarks/joining.py`.

Machines with a logical GPU each are Ray processes on this one, and models are sleeps: a file costs the GPU two seconds.
A run begins with one machine; others join, one after the other. Prints, for each, after how many seconds it had work,
and the files a minute before it joined and once it had worked for a while.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from cases.comparisons import tiny
from cases.corpora import made, noise
from conftest import COMMAND
from machines import Machines

FOLDER = Path("joining").absolute()
OUT = FOLDER / "out"
FILES = 900
SECONDS = {"transcribe": 2.0, "align": 0.1}
MEASURED_S = 40.0
"""For so long files are counted."""
SETTLED_S = 20.0
"""So long after a machine has its first work, pools have their sizes there and its first files are written."""


def outputs() -> int:
    """Return how many files are written."""
    return len(list(OUT.glob("*.srt")))


def rate() -> float:
    """Count files for a while; return those of a minute."""
    before = outputs()
    time.sleep(MEASURED_S)
    return (outputs() - before) / MEASURED_S * 60


def wait_for_work(machines: Machines, node: str, run: "subprocess.Popen[bytes]") -> None:
    """Wait until a machine has transcribed."""
    while not machines.worked(node, "transcribe"):
        if run.poll() is not None:
            sys.exit(f"the run has ended: see {FOLDER / 'run.log'}")
        time.sleep(0.1)


def main() -> None:
    """Run it."""
    from flows.services.prefect_server import LocalServer

    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    os.environ |= {"PREFECT_HOME": str(FOLDER / "prefect"), "HF_HUB_OFFLINE": "1"}
    machines = Machines(FOLDER)
    machines.sleep(**SECONDS)
    made(FOLDER / "files", noise, 1, FILES)
    line = [COMMAND, str(FOLDER / "files"), "-o", str(OUT), *tiny().options()]
    line += ["-f", "srt", "--ray_address", machines.address]
    try:
        with LocalServer() as server, server.used():
            log = (FOLDER / "run.log").open("wb")
            node = machines.add()
            run = subprocess.Popen(line, env={**os.environ, **server.environment()}, stdout=-3, stderr=log)
            wait_for_work(machines, node, run)
            time.sleep(SETTLED_S)
            print(f"one machine: {rate():.0f} files a minute", flush=True)
            for number in ("two", "three"):
                node, joined = machines.add(), time.monotonic()
                wait_for_work(machines, node, run)
                after = time.monotonic() - joined
                time.sleep(SETTLED_S)
                print(f"{number}: {rate():.0f} files a minute; work for the new one after {after:.1f} s", flush=True)
            run.wait()
            print(f"exit status {run.returncode}, {outputs()} files")
    finally:
        machines.stop()


if __name__ == "__main__":
    main()
