"""The stages alone, in one process with a thread for each core: on few cores, what no orchestration is faster than.

It is given files and options as `whisperx-batch` is. Imports and the loading of models are done before the clock
starts. Writes into the output folder, and prints JSON: the files, their seconds of audio, wall seconds, core-seconds,
and how long the threads together were in each stage, waiting for each other included.
"""

import json
import os
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

from options import parsed

os.environ["OMP_NUM_THREADS"] = "1"  # as in our actors, before PyTorch reads it

from flows.pools.sizing import CORES_PER_PROCESS
from tasks.align import AlignOptions, align_transcript
from tasks.alignment.selection import select_timing_method
from tasks.audio.decoding import decode
from tasks.audio.types import SAMPLE_RATE, Samples
from tasks.diarization.loading import diarizers
from tasks.diarize import DiarizeOptions, assign_speakers, diarize_samples
from tasks.formats import encode
from tasks.models.compute_limits import compute_limits
from tasks.models.options import ModelOptions
from tasks.storage.outputs import write_outputs
from tasks.transcribe import TranscribeOptions, transcribe_samples
from tasks.whisper.loading import pipelines
from tasks.write import WriteOptions

WARM_UP_S = 10


class Stages:
    """All stages of a file, one after the other, with a clock on each."""

    def __init__(self, parallel: int) -> None:
        given = parsed()
        compute_limits.configure(parallel, threads=1)
        self._transcribe = TranscribeOptions(
            model=given.model, language=given.language, compute_type=given.compute_type
        )
        self._align = AlignOptions(align_model=given.align_model)
        self._diarize = DiarizeOptions(diarize_model=given.diarize_model) if given.diarize else None
        self._models = ModelOptions(device=given.device)
        self._out = Path(given.output_dir)
        self.seconds: defaultdict[str, float] = defaultdict(float)
        pipelines(self._transcribe, self._models).fill()
        select_timing_method(given.language, given.align_model, self._transcribe, self._models)
        if self._diarize:
            diarizers(self._diarize.diarize_model, self._models).fill()

    def run(self, path: str) -> float:
        """Take one file through all stages; return its seconds of audio."""
        began = time.perf_counter()
        samples = decode(path)
        self.seconds["load audio"] += time.perf_counter() - began
        self.from_samples(samples, path)
        return len(samples) / SAMPLE_RATE

    def from_samples(self, samples: Samples, path: str) -> None:
        """Take decoded samples through the other stages."""
        marks = [time.perf_counter()]
        transcript = transcribe_samples(samples, self._transcribe, self._models)
        marks.append(time.perf_counter())
        transcript = align_transcript(transcript, samples, self._align, self._transcribe, self._models)
        marks.append(time.perf_counter())
        diarization = diarize_samples(samples, self._diarize, self._models) if self._diarize else None
        marks.append(time.perf_counter())
        if diarization:
            assign_speakers(transcript, diarization)
        name = Path(path).stem
        layout = WriteOptions().layout()
        contents = {"json": encode("json", transcript, diarization, layout, name, len(samples) / SAMPLE_RATE)}
        write_outputs(contents, {"json": str(self._out / f"{name}.json")})
        marks.append(time.perf_counter())
        for stage, (began, ended) in zip(("transcribe", "align", "diarize", "write"), pairwise(marks), strict=True):
            self.seconds[stage] += ended - began


def main() -> None:
    """Warm up, then take all files through the stages."""
    files, parallel = parsed().audio, min(os.cpu_count() or 1, CORES_PER_PROCESS)
    stages = Stages(parallel)
    with ThreadPoolExecutor(parallel) as threads:
        opening = decode(files[0])[: WARM_UP_S * SAMPLE_RATE]
        list(threads.map(lambda _: stages.from_samples(opening, files[0]), range(parallel)))
        stages.seconds.clear()
        began, used = time.perf_counter(), time.process_time()
        audio_s = sum(threads.map(stages.run, sorted(files, key=os.path.getsize, reverse=True)))  # as ours has it
    figures = {"files": len(files), "audio_s": audio_s, "seconds": time.perf_counter() - began}
    print(json.dumps({**figures, "cpu_s": time.process_time() - used, "stages": stages.seconds}))


if __name__ == "__main__":
    main()
