"""tasks/silero.py with the real model, which its package brings along."""

import pytest
import torch
from conftest import SAMPLES

from tasks.audio import decode
from tasks.models import ModelOptions, share
from tasks.transcribe import TranscribeOptions, transcribe_samples


def test_silero_finds_speech_without_a_download(tiny_en: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And leaves the threads of PyTorch as they are: its package takes all but one from the other models."""
    monkeypatch.setattr("torch.hub.load", lambda *_, **__: pytest.fail("silero was downloaded"))
    share.take(parallel=1, threads=1)
    torch.set_num_threads(2)
    options = TranscribeOptions(model=tiny_en, compute_type="int8", vad_method="silero")
    transcript = transcribe_samples(
        decode(str(SAMPLES / "en" / "hello_world.wav")), options, ModelOptions(device="cpu")
    )
    assert "hello" in transcript.result["segments"][0]["text"].lower()
    assert torch.get_num_threads() == 2
