"""Calls whose parties are known, and what lines, rooms and codecs make of them."""

import numpy as np
import numpy.typing as npt
from conftest import TWO_SPEAKERS
from pyannote.database.util import load_rttm
from scipy.signal import fftconvolve

from tasks.audio.decoding import decode
from tasks.audio.types import SAMPLE_RATE, Samples

SPEECH_DB = -23
"""The level of the call's speech, as broadcasters have it (EBU R 128)."""

Sound = npt.NDArray[np.float64]
"""16 kHz mono in [-1, 1], shape (samples,)."""


def samples_of(sound: Sound) -> Samples:
    """Return a sound as 16-bit samples."""
    return (np.clip(sound, -1, 1 - 2**-15) * 32768).astype(np.int16)


def _random(seed: int, length: int) -> Sound:
    return np.random.default_rng(seed).normal(size=length)


def noise(length: int, level_db: float, seed: int = 1) -> Sound:
    """Return white noise of this level."""
    return np.asarray(10 ** (level_db / 20) * _random(seed, length))


def at(level_db: float, sound: Sound) -> Sound:
    """Return a sound so much louder."""
    return sound * 10 ** (level_db / 20)


def room(sound: Sound, seed: int, direct: float = 1.0, delay: int = 0, decay_s: float = 0.4) -> Sound:
    """Return a sound as a microphone hears it in a room: direct, after some samples, and with its reverberation."""
    length = int(decay_s * SAMPLE_RATE)
    response = 0.06 * _random(seed, length) * 10 ** (-3 * np.arange(length) / length)
    response[: delay + 80] = 0
    response[delay] = direct
    return np.asarray(fftconvolve(sound, response)[: len(sound)])


def call() -> tuple[Sound, Sound]:
    """Return both parties of the call that pyannote.audio ships, each with silence where the other speaks."""
    samples = decode(str(TWO_SPEAKERS)) / 32768.0
    samples *= 10 ** (SPEECH_DB / 20) / np.sqrt(np.mean(np.square(samples[7 * SAMPLE_RATE :])))
    parties, taken = np.zeros((2, len(samples))), np.zeros(len(samples), bool)
    (annotation,) = load_rttm(TWO_SPEAKERS.with_suffix(".rttm")).values()
    for turn, _, speaker in annotation.itertracks(yield_label=True):
        span = np.arange(round(turn.start * SAMPLE_RATE), min(round(turn.end * SAMPLE_RATE), len(samples)))
        span = span[~taken[span]]  # where both speak, samples count for the speaker who began first
        parties[sorted(annotation.labels()).index(speaker), span] = samples[span]
        taken[span] = True
    return parties[0], parties[1]
