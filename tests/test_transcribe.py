"""tasks/transcribe.py with real models: silence, faults, and languages."""

import logging
from typing import Any

import numpy as np
import pytest
from conftest import SAMPLES, TWO_SPEAKERS

from tasks.faults import GpuOutOfMemory
from tasks.load_audio import as_float, decode
from tasks.models.cache import ModelOptions, share
from tasks.transcribe import TranscribeOptions, transcribe_samples
from tasks.whisper.loading import pipelines, whisper_model

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


def test_whisperx_fails_where_there_is_no_sound_at_all(options: TranscribeOptions) -> None:
    """A video whose audio track is empty: with its pipeline the run would end there."""
    with pipelines(options, CPU).lend() as pipeline, pytest.raises(ValueError, match="'waveform' must be provided"):
        pipeline.transcribe(np.zeros(0, np.float32), 8)


@pytest.mark.parametrize("suppress_numerals", [False, True])
def test_the_segments_are_those_of_whisperx(
    options: TranscribeOptions, capsys: pytest.CaptureFixture[str], *, suppress_numerals: bool
) -> None:
    """Of its own pipeline, in more than one batch, to the last digit; and so is the progress that it prints."""
    own = {"chunk_size": 5, "batch_size": 2, "print_progress": True, "suppress_numerals": suppress_numerals}
    options, samples = options.model_copy(update=own), decode(str(TWO_SPEAKERS))
    with pipelines(options, CPU).lend() as pipeline:
        pipeline.suppress_numerals = suppress_numerals
        theirs = pipeline.transcribe(as_float(samples), 2, language="en", chunk_size=5, print_progress=True)
        pipeline.suppress_numerals = False
    progress = [line for line in capsys.readouterr().out.splitlines() if "INFO" not in line]
    ours = transcribe_samples(samples, options, CPU)
    assert len(ours.result["segments"]) > 2
    assert (ours.result["segments"], ours.language) == (theirs["segments"], theirs["language"])
    assert capsys.readouterr().out.splitlines() == progress != []


@pytest.mark.parametrize("samples", [1, 160, 1_600])
def test_a_click_is_no_failure(options: TranscribeOptions, samples: int) -> None:
    """Sound that is shorter than any window of the models."""
    transcript = transcribe_samples(np.full(samples, 9_000, np.int16), options, CPU)
    assert transcript.result["segments"] == []


def test_a_model_of_english_alone_needs_no_language(
    options: TranscribeOptions, caplog: pytest.LogCaptureFixture
) -> None:
    """It cannot detect one: WhisperX fails there. Another is not asked of it, which is said."""
    samples = decode(str(SAMPLES / "en" / "hello_world.wav"))
    transcript = transcribe_samples(samples, options, CPU)
    assert transcript.language == "en"
    assert "hello" in transcript.result["segments"][0]["text"].lower()
    with caplog.at_level(logging.WARNING, "tasks"):
        german = transcribe_samples(samples, options.model_copy(update={"language": "de"}), CPU)
    assert german == transcript
    assert "knows English alone: it is not asked for de" in caplog.text


def test_a_failure_leaves_nothing_behind_for_the_next_file(
    options: TranscribeOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WhisperX keeps suppressed tokens and language in its pipeline, and puts them back only after a success."""
    numerals = options.model_copy(update={"suppress_numerals": True})
    samples = decode(str(SAMPLES / "en" / "counting.wav"))
    before = transcribe_samples(samples, numerals, CPU)

    def out_of_memory(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA failed with error out of memory")

    with monkeypatch.context() as fault:
        fault.setattr(whisper_model(numerals, CPU), "encode", out_of_memory)
        with pytest.raises(GpuOutOfMemory, match="gpu_oom: no room on the GPU even with batch size 1"):
            transcribe_samples(samples, numerals, CPU)
    assert transcribe_samples(samples, numerals, CPU) == before


def test_a_file_that_does_not_fit_the_gpu_is_tried_in_smaller_batches(
    options: TranscribeOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Halved until it fits, for this file alone: the next begins with the usual size."""
    samples = np.tile(decode(str(SAMPLES / "en" / "counting.wav")), 12)
    short = options.model_copy(update={"chunk_size": 5})
    before = transcribe_samples(samples, short, CPU)
    model = whisper_model(short, CPU)
    encode, sizes = model.encode, []

    def fits_two(features: np.ndarray) -> object:
        sizes.append(len(features))
        if len(features) > 2:
            raise RuntimeError("CUDA failed with error out of memory")
        return encode(features)

    monkeypatch.setattr(model, "encode", fits_two)
    assert transcribe_samples(samples, short, CPU) == before
    assert sizes[:3] == [8, 4, 2]
    assert max(sizes[2:]) == 2
    sizes.clear()
    transcribe_samples(samples, short, CPU)
    assert sizes[0] == 8


@pytest.fixture(name="tries")
def _tries(options: TranscribeOptions, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What faster-whisper's own fallback has returned: (result, avg_logprob, temperature, compression_ratio)."""
    tries: list[Any] = []
    model = whisper_model(options, CPU)
    real = model.generate_with_fallback

    def noted(*args: Any) -> Any:
        tries.append(real(*args))
        return tries[-1]

    monkeypatch.setattr(model, "generate_with_fallback", noted)
    return tries


def noisy_call() -> np.ndarray:
    """Return a telephone call in so much noise that Whisper tiny hears little of it."""
    call = decode(str(TWO_SPEAKERS)).astype(np.float64)
    return np.clip(call + np.random.default_rng(0).normal(0, 3000, len(call)), -32768, 32767).astype(np.int16)


def test_a_chunk_that_is_decoded_well_is_left_as_it_is(options: TranscribeOptions, tries: list[Any]) -> None:
    """With `temperature_fallback`, and all without it."""
    fallback, samples = options.model_copy(update={"temperature_fallback": True}), decode(str(TWO_SPEAKERS))
    assert transcribe_samples(samples, fallback, CPU) == transcribe_samples(samples, options, CPU)
    transcribe_samples(noisy_call(), options, CPU)
    assert tries == []


def test_a_chunk_that_is_decoded_badly_is_decoded_again(options: TranscribeOptions, tries: list[Any]) -> None:
    """Up to temperature 1 while its text is unlikely, and the likeliest of all is taken."""
    [alone] = transcribe_samples(noisy_call(), options, CPU).result["segments"]
    assert alone["avg_logprob"] < -1
    fallback = options.model_copy(update={"temperature_fallback": True, "no_speech_threshold": None})
    [again] = transcribe_samples(noisy_call(), fallback, CPU).result["segments"]
    [(_, avg_logprob, temperature, _)] = tries
    assert again["avg_logprob"] == avg_logprob >= alone["avg_logprob"] - 1e-4
    assert avg_logprob >= -1 or temperature == 1
    assert (again["start"], again["end"]) == (alone["start"], alone["end"])


def test_unlikely_text_in_silence_is_left_out(options: TranscribeOptions, tries: list[Any]) -> None:
    """As Whisper does it: not in WhisperX, which writes it down."""
    silence = {"temperature_fallback": True, "no_speech_threshold": 0.0, "logprob_threshold": -0.1}
    assert transcribe_samples(noisy_call(), options.model_copy(update=silence), CPU).result["segments"] == []
    assert len(tries) == 1


def test_another_first_temperature_decodes_all_by_sampling(options: TranscribeOptions, tries: list[Any]) -> None:
    """WhisperX decodes at temperature 0, whatever is asked."""
    own = {"temperature_fallback": True, "temperature": 0.9, "temperature_increment_on_fallback": None, "best_of": 2}
    transcribe_samples(decode(str(SAMPLES / "en" / "counting.wav")), options.model_copy(update=own), CPU)
    assert [temperature for _, _, temperature, _ in tries] == [0.9]
