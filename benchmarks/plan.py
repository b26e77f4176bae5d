"""Measure what it takes to plan a large batch: seconds, core-seconds and memory.

    python benchmarks/plan.py [LINES]
    python benchmarks/plan.py files [FILES]

Three kinds of manifest, without the looks at the files themselves: paths alone, a language for each file, a prompt of
its own for each file. Or so many small recordings, on the disk, that are looked at, opened, written, and found done;
before and after that the seconds of the command, as a dry run of new files and as a run when all are done.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import wave
from functools import partial
from pathlib import Path

LINES = 100_000


def write_manifest(path: Path, kind: str, lines: int) -> None:
    """Write a manifest of files that need not exist."""
    with path.open("w") as manifest:
        for i in range(lines):
            row = {"path": f"/archive/interviews/{i // 1000:03}/recording-{i:06}.mp3"}
            if kind != "paths":
                row["language"] = ("en", "de", "fr")[i % 3]
            if kind == "prompts":
                row["initial_prompt"] = f"Interview {i} with somebody"
            manifest.write(json.dumps(row) + "\n")


class Steps:
    """Prints what each step of a plan takes."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._began = self._now()

    @staticmethod
    def _now() -> tuple[float, float]:
        return time.monotonic(), time.process_time()

    def __call__(self, step: str) -> None:
        """Print what the step that has just ended took."""
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        wall, cores = (after - before for after, before in zip(self._now(), self._began, strict=True))
        print(f"{self._kind}: {step} {wall:.1f} s, {cores:.1f} core-s, {used} MB", flush=True)
        self._began = self._now()


def measure(kind: str, lines: int) -> None:
    """Plan in this process, and print the seconds and the memory of each step."""
    from flows.config.parameters import Batch
    from flows.planning.plan import Plan
    from flows.planning.selection import checked_entries
    from flows.state.folder import OutputFolder

    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder, "manifest.jsonl")
        write_manifest(manifest, kind, lines)
        batch = Batch.model_validate(
            {
                "inputs": {"manifest": str(manifest)},
                "transcribe": {"model": "tiny"},
                "write": {"output_dir": f"{folder}/out"},
            }
        )
        OutputFolder.of(batch).state_dir.mkdir(parents=True)
        told = Steps(kind)
        entries = checked_entries(batch)
        told("manifest read and checked")
        plan = Plan(batch, entries, OutputFolder.of(batch).ledger())
        told("plan")
        plan.begin()
        told("ledger written")


def write_recordings(folder: Path, count: int) -> None:
    """Write recordings of a tenth of a second, no two alike, a thousand in a folder."""
    for i in range(count):
        path = folder / f"{i // 1000:03}" / f"recording-{i:06}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes(i.to_bytes(4, "little") * (800 + i % 100))


def time_command(what: str, line: list[str], recordings: Path) -> None:
    """Print the seconds of a command, and the load; what is in the recordings is not in the page cache."""
    os.sync()
    for path in recordings.rglob("*.wav"):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cores = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{what}: {wall:.1f} s, {cores:.1f} core-s, load {os.getloadavg()[0]:.1f}, exit status {done.returncode}")
    print("  " + (done.stdout + done.stderr).strip().splitlines()[-1], flush=True)


def measure_files(count: int) -> None:
    """Plan recordings up to the first that can be admitted; open the others; write outputs for all, and plan again."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    from batches import batch_of, do
    from conftest import COMMAND

    from flows.planning.plan import Plan
    from flows.planning.read_ahead import remaining
    from flows.planning.selection import checked_entries
    from flows.reporting.tracker import Tracker
    from flows.state.folder import OutputFolder
    from flows.state.run_lock import exclusive_run

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "recordings")
        write_recordings(folder, count)
        batch = batch_of(folder, write={"output_dir": f"{name}/out", "output_format": "srt"})
        line = [COMMAND, str(folder), "-o", f"{name}/out", "-f", "srt", "--model", "tiny", "--language", "en"]
        time_command("dry run", [*line, "--dry_run"], folder)
        told = Steps(f"{count} files")
        with exclusive_run(OutputFolder.of(batch).state_dir):
            plan = Plan(batch, checked_entries(batch), OutputFolder.of(batch).ledger())
            told("found and planned")
            tracker = Tracker.of(plan)
            plan.recall(tracker)
            plan.begin()
            next(remaining(plan.waiting(), partial(plan.identify, tracker)))
            told("looked at, ledger written, first one identified")
            plan.probe(tracker)
            told("opened")
            plan.ledger.share()
        do(batch, "write")
        shutil.rmtree(OutputFolder.of(batch).state_dir / "writing")  # the notes, which a run removes as it goes on
        told("read and written")
        plan = Plan(batch, checked_entries(batch), OutputFolder.of(batch).ledger())
        tracker = Tracker.of(plan)
        plan.recall(tracker)
        told(f"found done ({tracker.statuses['skipped']})")
        time_command("nothing left to do", line, folder)


def main(lines: int) -> None:
    """Measure each kind in a process of its own."""
    for kind in ("paths", "languages", "prompts"):
        subprocess.run([sys.executable, __file__, str(lines), kind], check=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["files"]:
        measure_files(int(sys.argv[2]) if len(sys.argv) > 2 else LINES)  # noqa: PLR2004
        sys.exit()
    given = int(sys.argv[1]) if len(sys.argv) > 1 else LINES
    if len(sys.argv) > 2:  # noqa: PLR2004
        measure(sys.argv[2], given)
    else:
        main(given)
