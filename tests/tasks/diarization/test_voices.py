"""tasks/diarization/voices.py: what is taken for a speaker's voice, before any network."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tasks.audio.types import SAMPLE_RATE, Samples, as_float
from tasks.diarization.voices import bandwidth, longest, speech_alone, voices_of


def noise(seconds: float, highest_hz: float) -> Samples:
    """Return noise up to a frequency."""
    samples = int(seconds * SAMPLE_RATE)
    spectrum = np.fft.rfft(np.random.default_rng(0).normal(size=samples))
    spectrum[np.fft.rfftfreq(samples, 1 / SAMPLE_RATE) > highest_hz] = 0
    return (np.fft.irfft(spectrum, samples) * 3000).round().astype(np.int16)


def test_speech_of_others_is_left_out() -> None:
    """Also of a third at the same time; turns of one speaker that touch are one piece."""
    turns = [(0.0, 4.0, "a"), (3.0, 6.0, "b"), (4.0, 5.0, "a"), (5.5, 5.8, "c"), (8.0, 9.0, "b"), (9.0, 9.5, "b")]
    assert speech_alone(turns) == {"a": [(0.0, 3.0)], "b": [(5.0, 5.5), (5.8, 6.0), (8.0, 9.5)]}
    assert speech_alone([]) == {}


def test_the_longest_pieces_are_taken_up_to_a_quarter_of_a_minute() -> None:
    """The last is cut; interjections are left out."""
    assert longest([(0.0, 0.9), (1.0, 3.0), (10.0, 20.0), (40.0, 48.0)]) == [(10.0, 20.0), (40.0, 45.0)]
    assert longest([(0.0, 0.9), (1.0, 3.0)]) == [(1.0, 3.0)]


def test_a_voice_rests_on_what_its_speaker_says_alone() -> None:
    """The network gets these samples, in whole seconds, and no others; who says less than 5 s has none."""
    audio, heard = noise(20, 8_000), []

    def embed(waveform: Any) -> npt.NDArray[np.float32]:
        heard.append(waveform.numpy())
        return np.array([[0.1, -1.5e-9, np.pi]], np.float32)

    turns = [(0.0, 2.0, "a"), (1.5, 2.0, "b"), (3.0, 16.0, "a"), (16.0, 20.0, "b")]
    voices = voices_of(turns, audio, embed)
    assert voices.keys() == {"a"}
    assert len(heard) == 1
    assert np.array_equal(heard[0][0, 0], as_float(np.concatenate([audio[:24_000], audio[48_000:248_000]])))
    voice = voices["a"]
    assert voice.vector().tolist() == np.array([0.1, -1.5e-9, np.pi], np.float32).tolist()
    assert (voice.seconds, voice.bandwidth, voice.clip) == (14.0, "full", (3.0, 13.0))


@pytest.mark.parametrize(("highest_hz", "expected"), [(3_400, "telephone"), (4_000, "telephone"), (7_000, "full")])
def test_the_bandwidth_is_where_the_spectrum_ends(highest_hz: float, expected: str) -> None:
    """Voices of a telephone and of a microphone are not compared."""
    assert bandwidth(as_float(noise(5, highest_hz))) == expected
