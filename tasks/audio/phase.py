"""Stereo whose channels cancel each other when they are mixed to one: recorded with one microphone's poles swapped."""

import av
import numpy as np
import numpy.typing as npt

STEREO = 2

NO_ARRAYS = frozenset(("s64", "s64p"))
"""Formats of samples of which PyAV makes no NumPy arrays."""

LOOK_EVERY_S = 0.2
"""How often a frame is looked at. All of them would take a third of the time of decoding."""

AUDIBLE = 1e-6
"""Mean square of samples in [-1, 1): -60 dB. What is softer counts as silence."""

SPOKEN = 1e-4
"""Mean square of a channel, -40 dB, beside which one below `AUDIBLE` is missing."""

CANCELLED = 0.01
"""The mix has less than this share of the louder channel's energy: it is 20 dB softer."""


class Phase:
    """Adds up the energy of the two channels and of their mix."""

    def __init__(self) -> None:
        self._channels = np.zeros(2)
        self._mix = 0.0
        self._samples = 0
        self._next_look_s = 0.0

    def add(self, frame: av.AudioFrame, position_s: float) -> None:
        """Count a frame, if it has two channels and one has not been looked at for a while."""
        if position_s < self._next_look_s or frame.layout.nb_channels != STEREO or frame.format.name in NO_ARRAYS:
            return
        self._next_look_s = position_s + LOOK_EVERY_S
        samples = _as_float(frame)
        self._channels += np.square(samples).sum(axis=1)
        self._mix += float(np.square(samples.mean(axis=0)).sum())
        self._samples += samples.shape[1]

    def lone_channel(self) -> int | None:
        """Return the louder channel, 0 or 1, if it must be used alone; None if the mix is sound."""
        loudest = int(self._channels.argmax())
        energy = float(self._channels[loudest])
        if energy <= AUDIBLE * self._samples or self._mix >= CANCELLED * energy:
            return None
        return loudest

    def dead_channel(self) -> int | None:
        """Return the channel, 0 or 1, that is silent while the other is loud; None if there is none."""
        loudest = int(self._channels.argmax())
        quiet, loud = float(self._channels[1 - loudest]), float(self._channels[loudest])
        return 1 - loudest if quiet <= AUDIBLE * self._samples and loud > SPOKEN * self._samples else None


def _as_float(frame: av.AudioFrame) -> npt.NDArray[np.float64]:
    """Return the samples of two channels in [-1, 1), shape (2, samples)."""
    raw = frame.to_ndarray()
    samples = (raw if frame.format.is_planar else raw.reshape(-1, STEREO).T).astype(np.float64)
    if raw.dtype == np.uint8:
        return samples / 128 - 1
    return samples / 2.0 ** (8 * raw.dtype.itemsize - 1) if raw.dtype.kind == "i" else samples
