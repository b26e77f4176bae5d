"""Time the decoding of clips of 5 s, one file each, by themselves and in mixed batches, in one process.

    python benchmarks/clips.py AUDIO MODEL CLIPS [cuda]

Prints for each way the seconds, the CPU seconds, the batches, and how many texts and how many digits of avg_logprob
are others than by themselves. Finding speech is left out: the clips are cut from AUDIO as they come.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from faster_whisper.tokenizer import Tokenizer

from tasks.load_audio import SAMPLE_RATE, as_float, decode
from tasks.models.cache import ModelOptions, share
from tasks.transcribe import TranscribeOptions
from tasks.whisper.batching import Batches, Decoded
from tasks.whisper.loading import pipelines

FILES = 8
"""Files at a time, as an actor on a GPU has them."""


def main(audio: str, model: str, number: int, device: Literal["cuda", "cpu"] = "cpu") -> None:
    """Decode the clips in both ways, each after a warm-up."""
    share.take(parallel=4 if device == "cuda" else 1, threads=1)
    options = TranscribeOptions(model=model, language="en", compute_type="default")
    with pipelines(options, ModelOptions(device=device)).lend() as pipeline:
        whisper, decoding = pipeline.model, replace(pipeline.options, **options.decoding())
    tokenizer = Tokenizer(whisper.hf_tokenizer, whisper.model.is_multilingual, task="transcribe", language="en")
    sound, length = as_float(decode(audio)), 5 * SAMPLE_RATE
    clips = [np.roll(sound, -first * SAMPLE_RATE)[:length] for first in range(number)]
    sizes: list[int] = []
    encode = whisper.encode

    def noted(features: Any) -> Any:
        sizes.append(len(features))
        return encode(features)

    whisper.encode = noted
    alone: list[Decoded] = []
    for mixed in (False, True):
        batches = Batches(whisper, mixed=mixed)

        def run(clip: Any, batches: Batches = batches) -> list[Decoded]:
            return list(batches.decode([clip], tokenizer, decoding, options.batch_size))

        run(clips[0])
        sizes.clear()
        began, cpu = time.perf_counter(), time.process_time()
        with ThreadPoolExecutor(FILES) as files:
            found = [decoded for [decoded] in files.map(run, clips)]
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        alone = alone or found
        texts = sum(one[0] != other[0] for one, other in zip(found, alone, strict=True))
        apart = max(abs(one[1] - other[1]) for one, other in zip(found, alone, strict=True))
        print(
            f"{'mixed' if mixed else 'by themselves'}: {seconds:.2f} s, {cpu:.2f} CPU s, {len(sizes)} batches; "
            f"{texts} texts are others, avg_logprob is apart by {apart:.1e} at most"
        )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), "cuda" if "cuda" in sys.argv[4:] else "cpu")
