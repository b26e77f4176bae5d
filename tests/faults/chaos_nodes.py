"""A batch on three machines of a Ray cluster, with sleeps in place of models, among a hundred faults of all kinds.

Actors, drivers and machines are killed at random, machines are drained, and new ones join; the command is started again
whenever its driver was killed. It ends with 0 if the outputs are those of a clean run, byte for byte, no run failed a
file, and no stage result that was stored is computed again; otherwise with 1. Part of `make chaos`.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parent.parent))
from chaos import is_actor, outputs, prepare, stored_again
from machines import Machines

BETWEEN_S = 6.0
"""The longest time from one fault to the next."""
WARNING_S = 3.0
"""From the notice that a machine leaves to its end."""


class ChaosOfNodes:
    """Runs the command on the machines, makes faults, and keeps count."""

    def __init__(self, folder: Path, seed: int, faults: int, files: int) -> None:
        self.folder = folder
        self.faults = faults
        self.random = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.stored: dict[Path, int] = {}
        folder.mkdir(parents=True)
        self.machines = Machines(folder)
        self.nodes = [self.machines.add() for _ in range(3)]
        self.line, self.environment = prepare(folder, [f"piece {i:03}.wav" for i in range(files)])
        self.line += ["--ray_address", self.machines.address]

    def start(self, out: Path) -> "subprocess.Popen[str]":
        """Start the command."""
        self.counts["runs"] += 1
        log = (self.folder / f"{out.name}-{self.counts['runs']}.log").open("w")
        return subprocess.Popen([*self.line, "-o", str(out)], env=self.environment, stdout=log, stderr=log, text=True)

    def kill_actor(self, _: "subprocess.Popen[str]") -> None:
        """Kill the process of an actor."""
        running = psutil.Process(self.machines.process.pid).children(recursive=True)
        if actors := [process for process in running if is_actor(process)]:
            self.random.choice(actors).kill()

    def kill_driver(self, run: "subprocess.Popen[str]") -> None:
        """Kill the command."""
        run.kill()

    def kill_machine(self, _: "subprocess.Popen[str]") -> None:
        """Kill a machine; another joins, before or after that."""
        if self.random.random() < 0.5:
            self.nodes.append(self.machines.add())
        self.machines.kill(self.nodes.pop(self.random.randrange(len(self.nodes))))
        if len(self.nodes) < 3:
            self.nodes.append(self.machines.add())

    def drain_machine(self, _: "subprocess.Popen[str]") -> None:
        """Announce that a machine leaves, let another join, and kill the first."""
        self.nodes.append(self.machines.add())
        drained = self.nodes.pop(0)
        self.machines.drain(drained)
        time.sleep(WARNING_S)
        self.machines.kill(drained)

    def until_done(self, out: Path) -> None:
        """Run and make faults until a run ends with 0."""
        kinds: list[Callable[[subprocess.Popen[str]], None]] = [
            *[self.kill_actor] * 5,
            *[self.kill_machine] * 3,
            *[self.drain_machine] * 2,
            self.kill_driver,
        ]
        while self.counts["runs"] < 60:
            run = self.start(out)
            while run.poll() is None:
                time.sleep(self.random.uniform(0.5, BETWEEN_S))
                self.counts["stored results computed again"] += stored_again(out, self.stored)
                if self.counts["faults"] < self.faults and list(out.rglob("*-*")):
                    fault = self.random.choice(kinds)
                    fault(run)
                    self.counts["faults"] += 1
                    self.counts[fault.__name__.replace("_", " ")] += 1
            self.counts[f"runs that ended with {run.returncode}"] += 1
            if run.returncode == 0:
                return


@contextmanager
def served(environment: dict[str, str]) -> Iterator[None]:
    """Let the command with this environment use a Prefect server, which all machines need."""
    os.environ["PREFECT_HOME"] = environment["PREFECT_HOME"]
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL

    from flows.services.prefect_server import LocalServer

    with LocalServer() as server, server.used():
        environment["PREFECT_API_URL"] = str(PREFECT_API_URL.value())
        environment["PREFECT_API_AUTH_STRING"] = str(PREFECT_API_AUTH_STRING.value())
        yield


def main() -> int:
    """Run it, print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--folder", type=Path, default=Path("chaos-nodes"), help="made anew (default: %(default)s)")
    arguments = parser.parse_args()
    shutil.rmtree(arguments.folder, ignore_errors=True)
    chaos = ChaosOfNodes(arguments.folder.absolute(), arguments.seed, arguments.faults, arguments.files)
    began = time.monotonic()
    with served(chaos.environment):
        chaos.machines.sleep(transcribe=2.0, align=0.5)
        chaos.until_done(chaos.folder / "out")
        chaos.machines.sleep()
        chaos.start(chaos.folder / "clean").wait()
    chaos.machines.stop()
    same = outputs(chaos.folder / "out") == outputs(chaos.folder / "clean")
    print(f"{time.monotonic() - began:.0f} s, seed {arguments.seed}")
    for name, count in sorted(chaos.counts.items()):
        print(f"{count:5} {name}")
    count = len(outputs(chaos.folder / "out"))
    print(f"{count:5} outputs, {'equal to' if same else 'DIFFERENT from'} those of the clean run")
    failed = chaos.counts["runs that ended with 1"]
    good = same and count == 5 * arguments.files and not failed and not chaos.counts["stored results computed again"]
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
