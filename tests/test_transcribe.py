"""tasks/transcribe.py with real models: silence, faults, and languages."""

import numpy as np
import pytest
from conftest import SAMPLES

from tasks.audio import decode
from tasks.faults import GpuOutOfMemory
from tasks.models import ModelOptions, share
from tasks.transcribe import TranscribeOptions, transcribe_samples
from tasks.whisper import pipelines

CPU = ModelOptions(device="cpu", threads=1)


@pytest.fixture(name="options")
def _options(tiny_en: str) -> TranscribeOptions:
    share.take(parallel=1, threads=1)
    return TranscribeOptions(model=tiny_en, compute_type="int8")


@pytest.mark.parametrize("samples", [0, 1, 160, 16_000])
def test_silence_has_an_empty_transcript(options: TranscribeOptions, samples: int) -> None:
    """Also of no length at all."""
    transcript = transcribe_samples(np.zeros(samples, np.int16), options, CPU)
    assert transcript.result == {"segments": [], "language": "en"}


@pytest.mark.parametrize("samples", [1, 160, 1_600])
def test_a_click_is_no_failure(options: TranscribeOptions, samples: int) -> None:
    """Sound that is shorter than any window of the models."""
    transcript = transcribe_samples(np.full(samples, 9_000, np.int16), options, CPU)
    assert transcript.result["segments"] == []


def test_a_model_of_english_alone_needs_no_language(options: TranscribeOptions) -> None:
    """It cannot detect one: WhisperX fails there."""
    transcript = transcribe_samples(decode(str(SAMPLES / "en" / "hello_world.wav")), options, CPU)
    assert transcript.language == "en"
    assert "hello" in transcript.result["segments"][0]["text"].lower()


def test_a_failure_leaves_nothing_behind_for_the_next_file(
    options: TranscribeOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WhisperX puts its suppressed tokens and its language back only after a success."""
    numerals = options.model_copy(update={"suppress_numerals": True})
    samples = decode(str(SAMPLES / "en" / "counting.wav"))
    before = transcribe_samples(samples, numerals, CPU)
    with pipelines(numerals, CPU).lend() as pipeline:
        state = (pipeline.tokenizer, pipeline.options)

    def out_of_memory(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA failed with error out of memory")

    with monkeypatch.context() as fault:
        fault.setattr(pipeline.model, "encode", out_of_memory)
        with pytest.raises(GpuOutOfMemory, match="gpu_oom: no room on the GPU even with batch size 1"):
            transcribe_samples(samples, numerals, CPU)
    assert (pipeline.tokenizer, pipeline.options) == state
    assert transcribe_samples(samples, numerals, CPU) == before


def test_a_file_that_does_not_fit_the_gpu_is_tried_in_smaller_batches(
    options: TranscribeOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Halved until it fits, for this file alone: the next begins with the usual size."""
    samples = np.tile(decode(str(SAMPLES / "en" / "counting.wav")), 12)
    short = options.model_copy(update={"chunk_size": 5})
    before = transcribe_samples(samples, short, CPU)
    with pipelines(short, CPU).lend() as pipeline:
        encode, sizes = pipeline.model.encode, []

    def fits_two(features: np.ndarray) -> object:
        sizes.append(len(features))
        if len(features) > 2:
            raise RuntimeError("CUDA failed with error out of memory")
        return encode(features)

    monkeypatch.setattr(pipeline.model, "encode", fits_two)
    assert transcribe_samples(samples, short, CPU) == before
    assert sizes[:3] == [8, 4, 2]
    assert max(sizes[2:]) == 2
    sizes.clear()
    transcribe_samples(samples, short, CPU)
    assert sizes[0] == 8
