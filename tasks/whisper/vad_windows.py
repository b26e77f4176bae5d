"""WhisperX's voice activity detection, with the windows of one file on several CPU threads.

Its LSTM gains nothing from a second thread: a minute takes 1.55 s with one and 1.48 s with two, and 0.85 s as two
batches side by side. It relies on pyannote.audio's `Inference`; tests/tasks/whisper/test_vad_windows.py compares with
the original. Import it only where a pipeline is loaded: it imports PyTorch.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import numpy as np
import torch
from pyannote.audio import Inference
from whisperx.vads.pyannote import VoiceActivitySegmentation


def side_by_side(vad: VoiceActivitySegmentation, threads: int) -> None:
    """Let the batches of a file's windows be computed side by side, each by one thread. They stay the same batches."""
    inference: Inference = vad._segmentation  # noqa: SLF001
    pool, one, size = _one_thread_each(threads), inference.infer, inference.batch_size

    def infer(chunks: torch.Tensor) -> Any:
        return np.vstack(list(pool.map(one, torch.split(chunks, size))))

    inference.infer = infer  # type: ignore[method-assign]
    inference.batch_size = sys.maxsize  # so it is given all windows at once: a view of the samples, not a copy


def _one_thread_each(number: int) -> ThreadPoolExecutor:
    """Return threads for each of which PyTorch computes with one CPU thread."""
    of_others, all_begun = torch.get_num_threads(), Barrier(number)

    def begin() -> None:
        # `set_num_threads` holds for its thread, and for all that ask, or compute, for the first time after it.
        torch.set_num_threads(1)
        torch.get_num_threads()
        all_begun.wait()

    pool = ThreadPoolExecutor(number, "vad", begin)
    list(pool.map(abs, range(number)))
    torch.set_num_threads(of_others)
    return pool
