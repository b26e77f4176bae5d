"""Check the default pools of machines with GPUs: `python benchmarks/sizing.py GPUS`.

Real Ray, Prefect and actors on one Ray node with so many logical GPUs; a file of five minutes costs each stage what the
H100 in RESULTS.md takes for it, as sleeps: in Python, one thread of a process at a time, and on the device, one process
of a GPU at a time. So neither needs the cores that it stands for. First pools of fixed sizes, of which the best
is looked for, then the default, once it has had two minutes; the rate of each in files a second.
"""

import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "faults"))
from chaos import prepare
from chaos_nodes import served
from conftest import cut_speech
from machines import Machines

FOLDER = Path("sizing").absolute()
COSTS = {"load-audio": 0.6, "transcribe": [0.8, 0.5], "align": [0.25, 0.15]}
"""Seconds of Python and of the device for five minutes of sound: the H100 took 0.26 s a minute to transcribe in one
actor, and was busy for 0.1 s of it; it is busy for 0.03 s a minute to align, beside 0.05 s in Python. It is decoded and
checked in 0.6 s, mostly outside Python."""
FIXED = [(1, 1), (2, 1), (2, 2), (3, 2)]
"""How many actors of a GPU transcribe and align."""
SETTLE_S, MEASURE_S = 15.0, 40.0
DEFAULT_SETTLE_S = 120.0


def rate(line: list[str], environment: dict[str, str], settle_s: float) -> float:
    """Return how many files a second come through, from `settle_s` seconds after the first."""
    out = FOLDER / "out"
    shutil.rmtree(out, ignore_errors=True)
    with (FOLDER / "log").open("w") as log:
        run = subprocess.Popen([*line, "-o", str(out)], env=environment, stdout=log, stderr=log)
    while not list(out.glob("*.srt")):
        time.sleep(0.2)
        if run.poll() is not None:
            raise RuntimeError((FOLDER / "log").read_text())
    begins = time.time() + settle_s
    time.sleep(settle_s + MEASURE_S)
    run.terminate()
    run.wait()
    times = [path.stat().st_mtime for path in out.glob("*.srt")]
    return sum(begins <= when < begins + MEASURE_S for when in times) / MEASURE_S


def fixed(gpus: int, transcribe: int, align: int) -> list[str]:
    """Return the options for so many actors on each GPU, which share it."""
    sizes = {"transcribe_actor_size": transcribe * gpus, "transcribe_num_gpus": 0.2, "transcribe_num_cpus": 0.5}
    sizes |= {"align_actor_size": align * gpus, "align_num_gpus": 0.1, "align_num_cpus": 0.5}
    return list(itertools.chain.from_iterable((f"--{name}", str(value)) for name, value in sizes.items()))


def main(gpus: int) -> None:
    """Run it."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    machines = Machines(FOLDER)
    machines.add(cpus=16 * gpus, gpus=gpus)
    (FOLDER / "sleeps.json").write_text(json.dumps(COSTS))
    line, environment = prepare(FOLDER, [])
    # So many that a further actor is worth its start for long: a night's work.
    cut_speech(FOLDER / "files", *[f"{i:04}.wav" for i in range(2000 * gpus)], seconds=1)
    line += ["--ray_address", machines.address, "-f", "srt"]
    bound = gpus / sum(cost[1] for cost in COSTS.values() if isinstance(cost, list))
    print(f"{gpus} GPUs, which could do {bound:.2f} files a second", flush=True)
    with served(environment):
        rates = []
        for transcribe, align in FIXED:
            rates.append(rate([*line, *fixed(gpus, transcribe, align)], environment, SETTLE_S))
            load = os.getloadavg()[0]
            print(f"{transcribe} and {align} actors a GPU: {rates[-1]:.2f} (load {load:.1f})", flush=True)
        default = rate(line, environment, DEFAULT_SETTLE_S)
        print(f"default: {default:.2f}, {default / max(rates):.0%} of the best (load {os.getloadavg()[0]:.1f})")
    machines.stop()


if __name__ == "__main__":
    main(int(sys.argv[1]))
