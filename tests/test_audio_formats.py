"""tasks/audio.py and all that people have as audio: the ffmpeg program's samples, and the words that the wav has."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import SAMPLES

from flows.inputs import AUDIO_EXTENSIONS
from recordings import LOSSLESS, LOSSY, record
from tasks.audio import SAMPLE_RATE, Samples, decode, probe
from tasks.models import ModelOptions, share
from tasks.transcribe import TranscribeOptions, transcribe_samples

SPEECH = SAMPLES / "en" / "quick_brown_fox.wav"
TEXT = "The quick brown fox jumps over the lazy dog."
SECONDS = 2.889

WITHOUT_ENCODER = {".ape", ".gsm", ".spx"}
"""Extensions of formats that are read and that no encoder here can make."""

PADDING = 0.1 * SAMPLE_RATE
"""Samples of silence that coders of frames add at the end."""


@pytest.fixture(scope="module", name="recordings")
def _recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same sentence in every format."""
    folder = tmp_path_factory.mktemp("recordings")
    return {path.name: path for path in record(SPEECH, folder, LOSSLESS | LOSSY)}


def ffmpeg_decodes(path: Path, environment: dict[str, str]) -> Samples:
    """Return what the ffmpeg program makes of a file, as WhisperX runs it."""
    command = ["ffmpeg", "-nostdin", "-i", path, "-f", "s16le", "-ac", "1", "-acodec", "pcm_s16le", "-ar", "16000", "-"]
    return np.frombuffer(subprocess.run(command, capture_output=True, check=True, env=environment).stdout, np.int16)


def test_there_is_a_recording_of_every_extension_that_folders_are_searched_for() -> None:
    """But for those that nothing here can write."""
    assert AUDIO_EXTENSIONS - {Path(name).suffix for name in LOSSLESS | LOSSY} == WITHOUT_ENCODER


@pytest.mark.parametrize("name", LOSSLESS | LOSSY)
def test_gives_the_samples_of_the_ffmpeg_program(
    recordings: dict[str, Path], environment: dict[str, str], name: str
) -> None:
    """Sample for sample; and the plan knows how long it is, by its header or its packets."""
    path = recordings[name]
    expected, found = ffmpeg_decodes(path, environment), decode(str(path))
    if "aac" in (LOSSLESS | LOSSY)[name]:
        # The program's FFmpeg drops padding at the end, which that of PyAV hands out.
        assert 0 <= len(found) - len(expected) <= PADDING
        found = found[: len(expected)]
    np.testing.assert_array_equal(found, expected)
    assert probe(str(path)).duration_s == pytest.approx(SECONDS, abs=0.25)


@pytest.mark.parametrize("name", LOSSLESS)
def test_what_loses_nothing_sounds_like_the_original(recordings: dict[str, Path], name: str) -> None:
    """As long, as loud, and alike to a hundredth, whatever its rate, its samples, its channels."""
    expected, found = decode(str(SPEECH)).astype(float), decode(str(recordings[name])).astype(float)
    assert abs(len(found) - len(expected)) <= 2
    both = min(len(found), len(expected))
    assert np.corrcoef(found[:both], expected[:both])[0, 1] > 0.99
    assert np.abs(found).mean() == pytest.approx(np.abs(expected).mean(), rel=0.5 if "." in Path(name).stem else 0.02)


def test_every_format_has_the_words_of_its_wav(recordings: dict[str, Path], tiny_en: str) -> None:
    """Through Whisper; equal samples are transcribed once."""
    share.take(parallel=1, threads=2)
    options = TranscribeOptions(model=tiny_en, compute_type="int8")
    texts: dict[bytes, str] = {}
    wrong = {}
    for name, path in recordings.items():
        samples = decode(str(path))
        key = samples[: int(SECONDS * SAMPLE_RATE)].tobytes()
        if key not in texts:
            result = transcribe_samples(samples, options, ModelOptions(device="cpu", threads=2)).result
            texts[key] = " ".join(segment["text"].strip() for segment in result["segments"])
        if texts[key] != TEXT:
            wrong[name] = texts[key]
    assert wrong == {}
