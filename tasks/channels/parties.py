"""Whether each channel of a recording is a party of its own, as in a call, or all have the same sound.

By levels, as the speech of one microphone is told from that of others in meetings (Pfau, Ellis and Stolcke, 2001,
"Multispeaker speech activity detection for the ICSI Meeting Recorder": differences of normalized log energies, then
correlation of the channels); benchmarks/channels.py has the recordings that the limits were chosen by.
"""

from dataclasses import dataclass
from itertools import combinations, groupby

import numpy as np
import numpy.typing as npt

from tasks.audio.types import SAMPLE_RATE, Samples, as_float
from tasks.channels.correlation import correlation
from tasks.quality.second_vad import silero_speech

FRAME = SAMPLE_RATE // 5
"""Samples of a frame: about a syllable."""
FRAMES_AT_ONCE = 300
"""A minute, so that hours take no more memory."""
BAND_HZ = 200, 3400
"""Where speech is, also on a telephone; mains hum is below."""
SILENCE_DB = -75.0
"""Of full scale, in the band: below the noise of any converter."""
NOISE_SHARE = 0.05
"""This share of the frames is taken for noise alone."""
OVER_NOISE_DB = 10.0
"""A frame is active if it is so much louder than the noise of its channel."""
APART_DB = 12.0
"""A party is so much louder in its own channel than in the other."""
BIASES_DB = (0, -4, 4)
"""How much louder one channel may be recorded than the other. With more, a mix of two parties would be apart from one
of them, and one channel of mono that drops out for a while from the other."""
LEAST_FRAMES = 3
"""Shorter stretches are clicks, breaths, and the echo of the other party."""
LEAST_ALONE_S = 1.0
"""So long at least each party speaks alone."""
SAME_SOUND = 0.5
"""Frames are of one source if their samples correlate more than this, at some delay."""
MOST_COMMON = 0.1
"""The share of the active frames that may be of one source, about equally loud in both channels."""
MOST_COMPARED = 1_000
"""So many frames of a recording are correlated."""

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Channel:
    """16 kHz samples; of each frame the level in dB without the noise, and whether it is louder than the noise."""

    samples: Samples
    levels: npt.NDArray[np.float64]
    active: Mask


@dataclass(frozen=True)
class Difference:
    """When each of two channels is heard alone, and the share of the active frames that both have in common."""

    alone: tuple[Mask, Mask]
    common: float

    @property
    def alone_s(self) -> float:
        """How long each channel is heard alone at least."""
        return float(np.sum(self.alone, axis=1).min()) * FRAME / SAMPLE_RATE

    @property
    def apart(self) -> bool:
        """Whether each channel is heard alone, and next to nothing is in both."""
        return self.alone_s >= LEAST_ALONE_S and self.common <= MOST_COMMON


def two_parties(channels: list[Samples]) -> bool:
    """Return whether the channels, 16 kHz samples of equal length, are those of separate parties.

    That is so if at least two have sound that comes and goes, and any two of these are apart: in each there is speech
    that is far softer in the other, and next to nothing is of one source and about equally loud in both. Delays of up
    to 25 ms, inverted channels and silent ones make no difference.
    """
    heard = [each for each in map(channel_of, channels) if each.active.any()]
    return len(heard) > 1 and all(_apart(a, b) for a, b in combinations(heard, 2))


def _apart(a: Channel, b: Channel) -> bool:
    found = difference(a, b)
    return found.apart and all(_speaks(channel, alone) for channel, alone in zip((a, b), found.alone, strict=True))


def channel_of(samples: Samples) -> Channel:
    """Return a channel with the levels of its frames."""
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    pieces = [frames[first : first + FRAMES_AT_ONCE] for first in range(0, len(frames), FRAMES_AT_ONCE)]
    energies = np.concatenate([np.zeros(0), *map(_energies, pieces)])
    noise = max(float(np.quantile(energies, NOISE_SHARE)) if len(energies) else 0.0, 10 ** (SILENCE_DB / 10))
    levels = 10 * np.log10(np.maximum(energies - noise, noise / 10))  # what is far softer than the noise is not known
    return Channel(samples, levels, energies > noise * 10 ** (OVER_NOISE_DB / 10))


def _energies(frames: Samples) -> npt.NDArray[np.float64]:
    """Return the mean square of each frame in the band of speech."""
    spectra = np.abs(np.fft.rfft(as_float(frames)))
    low, high = (hz * FRAME // SAMPLE_RATE for hz in BAND_HZ)
    return np.asarray(2 * np.square(spectra[:, low:high]).sum(axis=1) / FRAME**2)


def difference(a: Channel, b: Channel) -> Difference:
    """Return how two channels differ, at the bias by which they are most apart."""
    louder, either = a.levels - b.levels, int(np.sum(a.active | b.active))
    both = np.flatnonzero(a.active & b.active)
    chosen = both[:: 1 + len(both) // MOST_COMPARED]
    stretches = [slice(frame * FRAME, (frame + 1) * FRAME) for frame in chosen]
    same = np.array([correlation(a.samples[each], b.samples[each]) > SAME_SOUND for each in stretches], bool)
    found = []
    for bias in BIASES_DB:
        alone = a.active & (louder >= bias + APART_DB), b.active & (louder <= bias - APART_DB)
        equal = np.abs(louder[chosen] - bias) < APART_DB
        common = float(np.sum(same & equal)) / max(len(chosen), 1) * len(both) / max(either, 1)
        found.append(Difference((_in_runs(alone[0]), _in_runs(alone[1])), common))
    return max(found, key=lambda each: (each.apart, each.alone_s))


def _in_runs(frames: Mask) -> Mask:
    """Return the frames without those of short stretches."""
    runs = [list(run) for _, run in groupby(frames)]
    return np.array(
        [value for run in runs for value in (run if len(run) >= LEAST_FRAMES else [False] * len(run))], bool
    )


def _speaks(channel: Channel, alone: Mask) -> bool:
    """Return whether there is speech where a channel is heard alone: instruments come and go too."""
    spoken_s = 0.0
    for piece in silero_speech(channel.samples):
        for start, end in piece:
            frames = slice(round(start * SAMPLE_RATE / FRAME), round(end * SAMPLE_RATE / FRAME))
            spoken_s += float(np.sum(alone[frames])) * FRAME / SAMPLE_RATE
        if spoken_s >= LEAST_ALONE_S:
            return True
    return False
