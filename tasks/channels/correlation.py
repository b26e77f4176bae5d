"""How alike the sound of two channels is, and how loud each."""

import numpy as np

from tasks.audio.types import SAMPLE_RATE, Samples, as_float

LONGEST_DELAY = SAMPLE_RATE // 40
"""In samples: the way of sound to a microphone 8 m away."""


def correlation(first: Samples, second: Samples) -> float:
    """Return how well two stretches of equal length correlate at their best delay, from 0 to 1.

    One that is inverted correlates as well.
    """
    if not len(first):
        return 0.0
    x, y = as_float(first), as_float(second)
    products = np.abs(np.fft.irfft(np.fft.rfft(x, 2 * len(x)) * np.conj(np.fft.rfft(y, 2 * len(y)))))
    best = max(products[: LONGEST_DELAY + 1].max(), products[-LONGEST_DELAY:].max())
    return float(best / max(np.sqrt(np.sum(x * x) * np.sum(y * y)), 1e-12))


def level_db(samples: Samples) -> float:
    """Return the level of a stretch in dB, 0 at full scale; -100 if it is empty."""
    sound = as_float(samples)
    return 10 * float(np.log10(np.mean(sound * sound) + 1e-10)) if len(sound) else -100.0
