"""Core-seconds that the speakers of an hour of sound cost, ours beside pyannote.audio's own code, on the same files.

    python benchmarks/diarization.py [RECORDING...] [--model campplus] [--threads 1] [--device cpu]

Both run in this process in turn: pyannote.audio's pipeline as it is, and our stage, which also makes the speakers'
voices; the seconds of these are given too. The turns of both are compared. `--model` names a pipeline as
`--diarize_model` does, or `random-resnet34`, whose embedding network has the size of the default one's. By default the
recordings are a telephone call that pyannote.audio ships and the meetings of our tests. With `--device cuda` seconds
are of wall time, and our stage has as many files at a time as an actor has: give it a dozen recordings then.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from conftest import TWO_SPEAKERS, built_models

from flows.pools.sizing import FILES_AT_A_TIME
from tasks.audio.decoding import decode
from tasks.audio.types import SAMPLE_RATE, Samples
from tasks.diarization.loading import diarizers, find_voices, turns_of
from tasks.diarize import DiarizeOptions, diarize_samples
from tasks.models.compute_limits import compute_limits
from tasks.models.options import ModelOptions
from tasks.models.registry import ensure_pipeline

AMI = Path(__file__).parent.parent / "tests" / "data" / "ami"
WARM_UP_S = 12


def timed(now: Callable[[], float], run: Callable[[Samples], Any], files: Sequence[Samples], parallel: int = 1) -> Any:
    """Return the seconds that a function takes for all files, and what it returns for each."""
    with ThreadPoolExecutor(parallel) as threads:
        began = now()
        found = list(threads.map(run, files))
        return now() - began, found


def main() -> None:
    """Measure, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", nargs="*", default=[str(TWO_SPEAKERS), *map(str, sorted(AMI.glob("*.flac")))])
    parser.add_argument("--model", default="campplus")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    given = parser.parse_args()
    import torch
    from whisperx.diarize import DiarizationPipeline

    from tasks.diarization.pyannote_internals import in_memory

    torch.set_num_threads(given.threads)
    gpu = given.device == "cuda"
    parallel = FILES_AT_A_TIME["diarize"][1] if gpu else 1
    compute_limits.configure(parallel, given.threads)
    name = str(built_models("base") / "diarize-base") if given.model == "random-resnet34" else given.model
    options, models = DiarizeOptions(diarize_model=name), ModelOptions(device=given.device)
    original = DiarizationPipeline(ensure_pipeline(name, models), device=given.device).model
    pipelines = diarizers(name, models)
    pipelines.fill()
    files = [decode(path) for path in given.recordings]
    hours = sum(len(samples) for samples in files) / SAMPLE_RATE / 3600

    def pyannotes(samples: Samples) -> Any:
        return turns_of(original(in_memory(original, samples)).speaker_diarization)

    def ours(samples: Samples) -> Any:
        return diarize_samples(samples, options, models).turns

    opening = files[0][: WARM_UP_S * SAMPLE_RATE]
    pyannotes(opening)
    ours(opening)
    now = time.perf_counter if gpu else time.process_time
    own_s, expected = timed(now, pyannotes, files)
    stage_s, found = timed(now, ours, files, parallel)
    turns = iter(found)
    with pipelines.acquire() as pipeline:
        network = pipeline.model
    voices_s, _ = timed(now, lambda samples: find_voices(network, samples, next(turns)), files)
    kind = "s" if gpu else f"core-s with {given.threads} threads"
    print(f"{given.model}: {len(files)} files, {3600 * hours:.0f} s of sound, {os.cpu_count()} cores")
    for name, seconds in (("pyannote.audio", own_s), ("ours", stage_s), ("of that, voices", voices_s)):
        print(f"{name}: {seconds / hours:.0f} {kind} an hour of sound")
    print(f"{own_s / stage_s:.2f} times less; the turns are {'equal' if found == expected else 'NOT equal'}")


if __name__ == "__main__":
    main()
