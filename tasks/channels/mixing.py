"""All parts of a recording in one piece, for what listens to the whole of it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tasks.audio.types import SAMPLE_RATE, Audio, Samples

LOUDEST = 32_767
PIECE = 60 * SAMPLE_RATE
"""So many samples are added up at a time, since wider numbers would take several times the memory."""


def mixed(audio: Audio) -> Audio:
    """Return a recording in one piece: the sum of its parts, softer where that would be clipped."""
    if not audio.parts:
        return audio
    starts = [round(offset_s * SAMPLE_RATE) for offset_s in audio.offsets_s]
    samples = np.zeros(max(start + len(part) for start, part in zip(starts, audio.parts, strict=True)), np.int16)
    loudest = max(
        (int(np.abs(piece).max(initial=0)) for _, piece in _sums(audio.parts, starts, len(samples))), default=0
    )
    for first, piece in _sums(audio.parts, starts, len(samples)):
        samples[first : first + len(piece)] = piece * min(1.0, LOUDEST / max(loudest, 1))
    return replace(audio, samples=samples, parts=(), offsets_s=())


def _sums(parts: Sequence[Samples], starts: Sequence[int], length: int) -> Iterator[tuple[int, npt.NDArray[np.int32]]]:
    """Yield where each piece of the sum begins, and the piece."""
    for first in range(0, length, PIECE):
        piece = np.zeros(min(PIECE, length - first), np.int32)
        for part, start in zip(parts, starts, strict=True):
            begin = max(start, first)
            sound = part[begin - start : max(0, first + len(piece) - start)]
            piece[begin - first : begin - first + len(sound)] += sound
        yield first, piece
