"""tasks/whisper/vad_windows.py: a contract with pyannote.audio's `Inference`."""

from threading import Thread
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TWO_SPEAKERS
from whisperx.vads.pyannote import load_vad_model

from tasks.audio.decoding import decode
from tasks.audio.types import as_float
from tasks.whisper.vad_windows import _one_thread_each, side_by_side


def threads_of_a_new_thread() -> int:
    """Return how many CPU threads PyTorch takes in a thread that begins now."""
    found: list[int] = []
    thread = Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return found[0]


@pytest.mark.parametrize("seconds", [3, 28, 59.7])
def test_windows_that_are_computed_side_by_side_have_the_same_scores(seconds: float) -> None:
    """To the last bit: less than a window, less than a batch, and several batches with a last window that is padded."""
    call = np.tile(as_float(decode(str(TWO_SPEAKERS)))[6 * 16_000 :], 3)[: int(seconds * 16_000)]
    file = {"waveform": torch.from_numpy(call).unsqueeze(0), "sample_rate": 16_000}
    of_this, of_others = torch.get_num_threads(), threads_of_a_new_thread()
    vad: Any = load_vad_model("cpu")
    expected = vad(file)
    assert expected.data.max() > 0.9
    side_by_side(vad, 2)
    for _ in range(2):
        found = vad(file)
        assert found.data.tobytes() == expected.data.tobytes()
        assert vars(found.sliding_window) == vars(expected.sliding_window)
    assert torch.get_num_threads() == of_this
    assert threads_of_a_new_thread() == of_others


def test_each_thread_computes_with_one_cpu_thread() -> None:
    """Also from its first computation on, for which PyTorch asks what new threads are to take."""

    def threads(_: int) -> int:
        torch.ones(1_000_000).sum()
        return torch.get_num_threads()

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    assert {*_one_thread_each(2).map(threads, range(8))} == {1}
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)
