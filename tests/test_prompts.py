"""tasks/whisper/prompts.py, tasks/audio/loudness.py and what transcribe says of a file: with the real model."""

import logging

import numpy as np
import pytest
from conftest import SAMPLES
from pydantic import ValidationError

from tasks.audio.loudness import loud_seconds
from tasks.load_audio import SAMPLE_RATE, Audio, AudioFile, as_float, decode
from tasks.models.cache import ModelOptions, share
from tasks.transcribe import TranscribeOptions, transcribe, transcribe_samples
from tasks.whisper.loading import pipelines

CPU = ModelOptions(device="cpu", threads=1)
CUT = "its beginning is cut"


@pytest.fixture(name="options")
def _options(tiny_en: str) -> TranscribeOptions:
    share.take(parallel=1, threads=1)
    return TranscribeOptions(model=tiny_en, compute_type="int8")


def text_of(options: TranscribeOptions, **own: str) -> str:
    """Return what is said in a recording of somebody who counts to ten."""
    samples = decode(str(SAMPLES / "en" / "counting.wav"))
    transcript = transcribe_samples(samples, options.model_copy(update=own), CPU)
    return " ".join(segment["text"] for segment in transcript.result["segments"])


def test_hot_words_and_a_prompt_that_fill_the_model_are_cut(
    options: TranscribeOptions, caplog: pytest.LogCaptureFixture
) -> None:
    """Together they leave no room for what is said: faster-whisper would fail, or write its first words."""
    for words in (222, 400):
        caplog.clear()
        with caplog.at_level(logging.WARNING, "tasks"):
            text = text_of(options, hotwords="word " * words, initial_prompt="word " * words)
        assert "one two three" in text
        assert caplog.text.count(CUT) == 1
    assert caplog.text.count("the hot words take 400 tokens, and the model has room for 223") == 1


def test_a_prompt_has_the_room_that_hot_words_leave(
    options: TranscribeOptions, caplog: pytest.LogCaptureFixture
) -> None:
    """As of a glossary of 150 words and a text of 150: of that the end counts."""
    hot, prompt = "word " * 150, "number " * 77 + "some " * 73
    with caplog.at_level(logging.WARNING, "tasks"):
        found = text_of(options, hotwords=hot, initial_prompt=prompt)
    assert (
        "the initial prompt takes 150 tokens, and the hot words leave room for 73: its beginning is cut" in caplog.text
    )
    assert found == text_of(options, hotwords=hot, initial_prompt="some " * 73)
    assert "ten" in found


@pytest.mark.parametrize(("hot", "prompt"), [(100, 123), (0, 223), (0, 400), (400, 0)])
def test_what_leaves_room_is_as_whisperx_has_it(
    options: TranscribeOptions, caplog: pytest.LogCaptureFixture, hot: int, prompt: int
) -> None:
    """Each alone is cut by faster-whisper itself, which is said."""
    own = {"hotwords": "word " * hot or None, "initial_prompt": "number " * prompt or None}
    samples = decode(str(SAMPLES / "en" / "counting.wav"))
    with caplog.at_level(logging.WARNING, "tasks"):
        ours = transcribe_samples(samples, options.model_copy(update=own), CPU)
    with pipelines(options, CPU).lend() as pipeline:
        before, pipeline.options = pipeline.options, pipeline.options.__class__(**{**vars(pipeline.options), **own})
        theirs = pipeline.transcribe(as_float(samples), 8, language="en")
        pipeline.options = before
    assert [each["text"] for each in ours.result["segments"]] == [each["text"] for each in theirs["segments"]]
    assert ("cut" in caplog.text) == (max(hot, prompt) > 223)


@pytest.mark.parametrize("seconds", [31, 60])
def test_a_chunk_is_no_longer_than_whisper_hears(seconds: int) -> None:
    """NumPy would say it of each file, of the shapes of its arrays."""
    with pytest.raises(ValidationError, match="less than or equal to 30"):
        TranscribeOptions(chunk_size=seconds)


def test_sound_without_a_transcript_is_worth_a_word_in_the_log(
    options: TranscribeOptions, caplog: pytest.LogCaptureFixture
) -> None:
    """A hum of three seconds in a minute; silence, and a recording with words, are as one expects."""
    file, minute = AudioFile("/in/a.wav", "a.wav"), np.zeros(60 * SAMPLE_RATE, np.int16)
    hum = minute.copy()
    hum[: 3 * SAMPLE_RATE] = 3_000 * np.sin(np.arange(3 * SAMPLE_RATE) / 40)
    with caplog.at_level(logging.WARNING, "tasks"):
        transcribe.fn(file, Audio(minute), options, CPU)
        transcribe.fn(file, Audio(decode(str(SAMPLES / "en" / "counting.wav"))), options, CPU)
        assert "no speech" not in caplog.text
        hummed = transcribe.fn(file, Audio(hum), options, CPU)
    assert hummed.result["segments"] == []
    assert hummed.note == "no speech was found, though 3 s of the audio are not silent"  # what the report says
    assert "no speech was found, though 3 s of the audio are not silent; if somebody speaks there" in caplog.text


@pytest.mark.parametrize("samples", [0, 100, 40_000])
def test_short_and_silent_audio_has_no_loud_second(samples: int) -> None:
    """Nor has what is shorter than one."""
    assert loud_seconds(np.zeros(samples, np.int16)) == 0
