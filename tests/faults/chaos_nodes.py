"""A batch on three machines of a Ray cluster, with sleeps in place of models, among a hundred faults of all kinds.

Actors, the command, machines and the Prefect server are killed at random; machines are drained, and others join. The
command is started again whenever it was killed. It ends with 0 if no run ends but by that or with 0, the outputs are
those of a clean run, byte for byte, and nothing that was stored or written is made again; otherwise with 1. Part of
`make chaos`.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parent.parent))
from chaos import is_actor, outputs, prepare, stored
from lasting_server import Server
from machines import Machines

from flows.services.prefect_server import LASTING_SERVER

MACHINES = 3
TRANSCRIBE_S, ALIGN_S = 3.0, 0.5
BETWEEN_S = 3.0
"""The longest time from a new result to the next fault."""
PATIENCE_S = 60.0
"""After so long without a new result there is a fault all the same: what is being started must stand it too."""
WARNING_S = 3.0
"""From the notice that a machine leaves to its end."""
SPARED_S = 20.0
"""How long a new actor is left alone: a file that runs by itself while two are killed is given up as the cause."""
RACE_S = 2 * TRANSCRIBE_S
"""The processes of a machine that was killed live up to a second longer, and may store what has begun elsewhere too."""


class ChaosOfNodes:
    """Runs the command on the machines, makes faults, and keeps count."""

    def __init__(self, folder: Path, seed: int, faults: int, files: int) -> None:
        self.folder = folder
        self.faults = faults
        self.random = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.next: list[Callable[[subprocess.Popen[str]], None]] = []
        """The next faults, the last first."""
        self.made: dict[Path, float] = {}
        """When each stage result and each output was made."""
        folder.mkdir(parents=True)
        self.line, self.environment = prepare(folder, [f"piece {i:03}.wav" for i in range(files)])
        self.server = Server(self.environment | LASTING_SERVER, folder / "server.log")
        self.server.start()
        self.environment["PREFECT_API_URL"] = self.server.url
        self.machines = Machines(folder)
        # Without a GPU a machine has one actor for all stages, which starts soonest.
        self.nodes = [self.machines.add(gpus=0) for _ in range(MACHINES)]
        self.line += ["--ray_address", self.machines.address, "--shard_size", "50"]

    def close(self) -> None:
        """End the machines and the server."""
        self.machines.stop()
        self.server.stop()

    def start(self, out: Path) -> "subprocess.Popen[str]":
        """Start the command."""
        self.counts["runs"] += 1
        log = (self.folder / f"{out.name}-{self.counts['runs']}.log").open("w")
        return subprocess.Popen([*self.line, "-o", str(out)], env=self.environment, stdout=log, stderr=log, text=True)

    def actors(self) -> list[psutil.Process]:
        """Return the processes of all actors."""
        running = psutil.Process(self.machines.process.pid).children(recursive=True)
        return [process for process in running if is_actor(process)]

    def kill_actor(self, _: "subprocess.Popen[str]") -> None:
        """Kill the process of an actor."""
        before = time.time() - SPARED_S
        if actors := [process for process in self.actors() if process.create_time() < before]:
            self.random.choice(actors).kill()
            self.counts["actors killed"] += 1

    def kill_command(self, run: "subprocess.Popen[str]") -> None:
        """Kill the command, and wait for the end of its actors, as somebody who starts it again does."""
        run.kill()
        run.wait()
        self.counts["commands killed"] += 1
        _, left = psutil.wait_procs(self.actors(), timeout=30)
        self.counts["actors left"] += len(left)

    def kill_server(self, _: "subprocess.Popen[str]") -> None:
        """Kill the Prefect server and start it again, as what watches over it would."""
        self.server.kill()
        self.server.start()
        self.counts["servers killed"] += 1

    def kill_machine(self, _: "subprocess.Popen[str]") -> None:
        """Kill a machine; another joins, before or after that."""
        if self.random.random() < 0.5:
            self.nodes.append(self.machines.add(gpus=0))
        self.machines.kill(self.nodes.pop(self.random.randrange(len(self.nodes))))
        if len(self.nodes) < MACHINES:
            self.nodes.append(self.machines.add(gpus=0))
        self.counts["machines killed"] += 1

    def drain_machine(self, _: "subprocess.Popen[str]") -> None:
        """Announce that a machine leaves, let another join, and kill the first."""
        self.nodes.append(self.machines.add(gpus=0))
        drained = self.nodes.pop(0)
        self.machines.drain(drained)
        time.sleep(WARNING_S)
        self.machines.kill(drained)
        self.counts["machines drained, then killed"] += 1

    def make_fault(self, run: "subprocess.Popen[str]") -> None:
        """Make a fault; of eleven in a row each kind has its share."""
        if not self.next:
            actor, machine, drained = [self.kill_actor] * 4, [self.kill_machine] * 3, [self.drain_machine] * 2
            self.next = [*actor, *machine, *drained, self.kill_command, self.kill_server]
            self.random.shuffle(self.next)
        self.next.pop()(run)
        self.counts["faults"] += 1

    def look(self, out: Path) -> int:
        """Note what has been made since the last look, and whether again; return how much there is."""
        written = {path: path.stat().st_mtime for path in out.glob("*.json")}
        for path, when in {**written, **stored(out, self.made)}.items():
            self.counts["made again"] += when > self.made.get(path, when) + RACE_S
            self.made[path] = when
        return len(self.made)

    def disturb(self, run: "subprocess.Popen[str]", out: Path) -> None:
        """Make a fault a moment after something new has been made, until the run ends."""
        before, since = len(self.made), time.monotonic()
        while run.poll() is None:
            time.sleep(0.3)
            due = self.look(out) > before or time.monotonic() > since + PATIENCE_S
            if due and self.counts["faults"] < self.faults:
                time.sleep(self.random.uniform(0.0, BETWEEN_S))
                self.make_fault(run)
                before, since = self.look(out), time.monotonic()
        self.look(out)

    def until_done(self, out: Path) -> bool:
        """Run and make faults until a run ends with 0; return False if one ends otherwise without being killed."""
        ended = -9
        while ended == -9:
            run = self.start(out)
            self.disturb(run, out)
            ended = run.returncode
            self.counts[f"runs that ended with {ended}"] += 1
        return ended == 0


def main() -> int:
    """Run it, print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--files", type=int, default=600)
    parser.add_argument("--folder", type=Path, default=Path("chaos-nodes"), help="made anew (default: %(default)s)")
    arguments = parser.parse_args()
    shutil.rmtree(arguments.folder, ignore_errors=True)
    began = time.monotonic()
    chaos = ChaosOfNodes(arguments.folder.absolute(), arguments.seed, arguments.faults, arguments.files)
    out, clean = chaos.folder / "out", chaos.folder / "clean"
    try:
        chaos.machines.sleep(transcribe=TRANSCRIBE_S, align=ALIGN_S)
        good = chaos.until_done(out)
        chaos.machines.sleep()
        good &= chaos.start(clean).wait() == 0
    finally:
        chaos.close()
    same = outputs(out) == outputs(clean)
    print(f"{time.monotonic() - began:.0f} s, seed {arguments.seed}, load {os.getloadavg()[2]:.0f}")
    for name, count in sorted(chaos.counts.items()):
        print(f"{count:5} {name}")
    count, drafts = len(outputs(out)), len(list(out.rglob(".whisperx-batch-*")))
    print(f"{count:5} outputs, {'equal to' if same else 'DIFFERENT from'} those of the clean run")
    print(f"{drafts:5} drafts left")
    good &= same and count == 5 * arguments.files and not drafts
    return 0 if good and not chaos.counts["made again"] and not chaos.counts["actors left"] else 1


if __name__ == "__main__":
    sys.exit(main())
