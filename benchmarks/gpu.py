"""Time whisperx-batch and the `whisperx` program on a GPU: the same files, models and options, in turn.

    python benchmarks/gpu.py AUDIO_FOLDER OUT_FOLDER ROUNDS OPTIONS...

OPTIONS go to both programs; an `ffmpeg` must be on the PATH. Prints for each run its seconds, when its first output was
there, the cores that were busy, and what nvidia-smi saw of the GPU each second; for ours also how long each stage was
at work, and on how many files at a time.
"""

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import psutil

from tasks.sentences import cache_folder, ensure_sentence_data

BIN = Path(sys.executable).parent
SMI = ["nvidia-smi", "--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits", "-l", "1"]


@contextmanager
def sampled(samples: Path) -> Iterator[None]:
    """Write the GPU's utilisation (%) and its used memory (MiB) to a file, once a second."""
    with samples.open("w") as file, subprocess.Popen(SMI, stdout=file) as smi:
        try:
            yield
        finally:
            smi.terminate()


def run(program: str, files: list[str], out: Path, *options: str) -> None:
    """Run one of the programs and print what it took."""
    out.mkdir(parents=True)
    busy, began = _core_seconds(), time.time()
    with sampled(out.with_suffix(".gpu")), out.with_suffix(".log").open("w") as log:
        command = [str(BIN / program), *files, "-o", str(out), *options]
        status = subprocess.run(command, stdout=log, stderr=log, check=False).returncode
    seconds, cores = time.time() - began, (_core_seconds() - busy) / (time.time() - began)
    gpu = [[int(number) for number in line.split(",")] for line in out.with_suffix(".gpu").read_text().splitlines()]
    first = min((path.stat().st_mtime for path in out.glob("*.json")), default=began) - began
    print(
        f"{program}: {seconds:.1f} s (status {status}), first output after {first:.1f} s, {cores:.1f} cores busy; "
        f"GPU busy {sum(each[0] for each in gpu) / len(gpu):.0f} %, at most {max(each[1] for each in gpu)} MiB",
        flush=True,
    )


def _core_seconds() -> float:
    times = psutil.cpu_times()
    return times.user + times.system


def print_stages(prefect_home: Path) -> None:
    """Print for each stage of the only run in this database how long it had work, and on how many files at a time."""
    with sqlite3.connect(f"file:{prefect_home / 'prefect.db'}?mode=ro", uri=True) as rows:
        spans = rows.execute(
            "SELECT f.name, t.start_time, t.end_time FROM task_run t JOIN flow_run f ON f.id = t.flow_run_id "
            "WHERE t.end_time IS NOT NULL AND f.parent_task_run_id IS NOT NULL ORDER BY t.start_time"
        ).fetchall()
    for stage in dict.fromkeys(name for name, *_ in spans):
        times = [[datetime.fromisoformat(at).timestamp() for at in span] for name, *span in spans if name == stage]
        working, until = 0.0, 0.0
        for start, end in times:
            working += max(0.0, end - max(start, until))
            until = max(until, end)
        taken = sum(end - start for start, end in times)
        print(f"  {stage}: {len(times)} files, at work for {working:.1f} s, on {taken / working:.1f} files at a time")


def main(audio: Path, out: Path, rounds: int, options: list[str]) -> None:
    """Run the comparison."""
    files = [str(path) for path in sorted(audio.iterdir())]
    ensure_sentence_data("en")
    os.environ |= {"NLTK_DATA": str(cache_folder() / "nltk_data"), "HF_HUB_OFFLINE": "1"}
    for number in range(rounds):
        theirs, ours = out / f"whisperx-{number}", out / f"ours-{number}"
        run("whisperx", files, theirs, *options)
        os.environ["PREFECT_HOME"] = str(out / f"prefect-{number}")
        run("whisperx-batch", files, ours, "--report", str(ours.with_suffix(".json")), *options)
        print_stages(Path(os.environ["PREFECT_HOME"]))
        print(f"  {json.loads(ours.with_suffix('.json').read_text())['summary']}")
        written = sorted(theirs.iterdir())
        same = [path for path in written if (ours / path.name).read_bytes() == path.read_bytes()]
        print(f"  {len(same)} of {len(written)} outputs are those of whisperx, byte for byte", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
