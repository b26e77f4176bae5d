"""tasks/whisper/silero.py with the real model, which its package brings along."""

import importlib
import sys

import pytest
import torch
from conftest import SAMPLES

from tasks.load_audio import decode
from tasks.models.cache import ModelOptions, share
from tasks.transcribe import TranscribeOptions, transcribe_samples


def test_silero_finds_speech_without_a_download(tiny_en: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """WhisperX would load it through `torch.hub`, from GitHub."""
    monkeypatch.setattr("torch.hub.load", lambda *_, **__: pytest.fail("silero was downloaded"))
    share.take(parallel=1, threads=1)
    options = TranscribeOptions(model=tiny_en, compute_type="int8", vad_method="silero")
    transcript = transcribe_samples(
        decode(str(SAMPLES / "en" / "hello_world.wav")), options, ModelOptions(device="cpu")
    )
    assert "hello" in transcript.result["segments"][0]["text"].lower()


def test_silero_leaves_the_other_models_their_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The import of its package takes all but one from them."""
    import tasks.whisper.silero

    for name in [name for name in sys.modules if name.startswith("silero_vad")]:
        monkeypatch.delitem(sys.modules, name)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    importlib.reload(tasks.whisper.silero)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)
