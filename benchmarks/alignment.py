"""Time WhisperX's forced alignment and ours on half an hour of speech, and see that they give the same.

    python benchmarks/alignment.py AUDIO ALIGN_MODEL [cpu|cuda]

AUDIO is repeated as often as needed. Prints seconds: of the processor on a CPU, where PyTorch has one thread, of the
clock on a GPU. There a program's network is what it takes to start it, and waiting for it is in the rest.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import whisperx
import whisperx.alignment

from tasks.alignment import forced as ours
from tasks.alignment.emissions import emissions
from tasks.alignment.punkt import ensure_sentence_data
from tasks.load_audio import SAMPLE_RATE, as_float, decode

SECONDS = 30 * 60
SEGMENTS = 64
TEXT = (
    " Well, I have been thinking about what you said the other day. It is not that simple, is it? We would have to"
    " start over, with 3 or 4 people, and nobody knows yet who they are. Mr. Brown asked for it in March; since then"
    " there was nothing but talk. So I told him that we need a plan, a budget of $5,000 and somebody who can do the"
    " work. He laughed. Then he said that he would see what can be done."
)


class Watch:
    """Adds up the seconds that functions take."""

    def __init__(self, device: str) -> None:
        self.now = time.perf_counter if device == "cuda" else time.process_time
        self.seconds: Counter[str] = Counter()

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function with its seconds added to those of a part."""

        def run(*args: Any, **kwargs: Any) -> Any:
            began = self.now()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds[part] += self.now() - began

        return run


def print_split(program: str, watch: Watch) -> None:
    """Print where the time of a program went."""
    total, network, trellis = (watch.seconds.pop(part) for part in ("all", "network", "trellis"))
    print(
        f"{program}: {total:.2f} s; network {network:.2f}, trellis and backtracking {trellis:.2f}, "
        f"rest {total - network - trellis:.2f}; outside the network {total - network:.2f}",
        flush=True,
    )


def main(path: str, align_model: str, device: str) -> None:
    """Run the comparison."""
    torch.set_num_threads(1)
    ensure_sentence_data("en")
    model, metadata = whisperx.load_align_model("en", device, align_model)
    audio = np.resize(as_float(decode(path)), SECONDS * SAMPLE_RATE)
    each = SECONDS / SEGMENTS
    segments = [{"text": TEXT, "start": i * each, "end": (i + 1) * each, "avg_logprob": -0.2} for i in range(SEGMENTS)]
    pieces = [torch.from_numpy(piece.copy()).unsqueeze(0) for piece in np.split(audio, SEGMENTS)]
    for part in ("the first time", "the network alone"):
        watch = Watch(device)
        watch.timed(part, lambda: list(emissions(model, metadata["type"], pieces, device)))()
        print(dict(watch.seconds))
    watch = Watch(device)
    model.forward = watch.timed("network", model.forward)
    for module, name in ((whisperx.alignment, "get_trellis"), (whisperx.alignment, "backtrack"), (ours, "token_spans")):
        setattr(module, name, watch.timed("trellis", getattr(module, name)))
    options = {"interpolate_method": "nearest", "return_char_alignments": False, "print_progress": False}
    results = []
    for program, align in (("whisperx", whisperx.align), ("whisperx-batch", ours.align)):
        results.append(watch.timed("all", align)(segments, model, metadata, audio, device, **options))
        print_split(program, watch)
    print("the same" if results[0] == results[1] else "not the same")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "cpu")  # noqa: PLR2004
