"""How much of some audio is not silent."""

import numpy as np

from tasks.audio.mono import SAMPLE_RATE, Samples

QUIET = 0.003
"""Root mean square of samples in [-1, 1): -50 dB, the noise of a quiet room."""


def loud_seconds(samples: Samples) -> int:
    """Return how many whole seconds of 16 kHz audio are louder than a quiet room."""
    seconds = np.array_split(samples[: len(samples) // SAMPLE_RATE * SAMPLE_RATE], max(1, len(samples) // SAMPLE_RATE))
    return sum(_root_mean_square(second) > QUIET for second in seconds)


def _root_mean_square(samples: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(samples / 32768.0)))) if len(samples) else 0.0
