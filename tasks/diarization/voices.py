"""A voice for each speaker of a file: an embedding of what the speaker says alone, by which to know a person again.

Not the centroids of pyannote.audio's clusters: measured, those of one person in two files were as far apart as those of
different persons, because clusters hold the speech of others too.
"""

import base64
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tasks.audio.types import SAMPLE_RATE, Samples, as_float

Turn = tuple[float, float, str]
Piece = tuple[float, float]
Waveform = npt.NDArray[np.float32]

MIN_S = 5.0
"""Measured with CAM++: the cosine between two pieces of 5 s is 0.67 or more for one person and 0.27 or less for two
persons; for pieces of 3 s, 0.57 and 0.53."""
MAX_S = 15.0
"""By 20 s persons were no further apart than by 10 s (CAM++). Of two minutes of a meeting of four, voices of up to 30 s
take 5.8 % of the stage's time, of 15 s 3.4 %, of 10 s 2.8 %."""
MIN_PIECE_S = 1.0
"""Shorter pieces are mostly interjections, and the turns' ends, which are the least certain."""
MAX_CLIP_S = 10.0
ABOVE_TELEPHONE_HZ = 4_600
"""A telephone ends at 4 kHz; resampling leaves a little of what is just above."""
TELEPHONE_SHARE = 1e-5
"""Speech with a smaller share of its energy above that counts as from a telephone. Measured: recordings of meetings and
by microphones 2e-5 (a broadcast of 1961) to 3e-2, the same through a telephone's band and µ-law 4e-6 or less."""
WINDOW = 512


@dataclass
class Voice:
    """A speaker's voice, its `embedding` as base64 of little-endian float32, and the `seconds` of speech behind it.

    Voices of different `bandwidth` cannot be compared. `clip` is the start and end, in seconds, of a piece in which
    the speaker is alone.
    """

    embedding: str
    seconds: float
    bandwidth: Literal["telephone", "full"]
    clip: Piece
    model: str = ""
    """Digest of the weights of the embedding network; not known in results of before they were noted."""

    def vector(self) -> npt.NDArray[np.float32]:
        """Return the embedding, shape (dimension,)."""
        return np.frombuffer(base64.b64decode(self.embedding), "<f4")


def voices_of(
    turns: Iterable[Turn], samples: Samples, embed: Callable[[Any], Any], model: str = ""
) -> dict[str, Voice]:
    """Return the voices of those speakers who say enough alone, made with the network `model`.

    `samples` are 16 kHz mono. `embed` turns a tensor of them in [-1, 1), shape (1, 1, samples), into an array of shape
    (1, dimension), as the embedding models of pyannote.audio's pipelines do.
    """
    import torch

    found = {}
    for speaker, pieces in speech_alone(turns).items():
        chosen = longest(pieces)
        if sum(end - start for start, end in chosen) < MIN_S:
            continue
        cut = [samples[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)] for start, end in chosen]
        speech = in_whole_seconds(as_float(np.concatenate(cut)))
        vector = np.asarray(embed(torch.from_numpy(speech)[None, None]), "<f4")[0]
        start, end = max(chosen, key=lambda piece: piece[1] - piece[0])
        found[speaker] = Voice(
            base64.b64encode(vector.tobytes()).decode(),
            round(len(speech) / SAMPLE_RATE, 3),
            bandwidth(speech),
            (round(start, 3), round(min(end, start + MAX_CLIP_S), 3)),
            model,
        )
    return found


def in_whole_seconds(speech: Waveform) -> Waveform:
    """Return speech without what is left over of its last second.

    For each length that a thread meets for the first time, cuDNN looks for the best way to convolve, in each of a
    network's layers: 0.2 to 0.3 s for CAM++ on an H200, of 0.4 s that a file of a minute took.
    """
    return speech[: len(speech) // SAMPLE_RATE * SAMPLE_RATE]


def speech_alone(turns: Iterable[Turn]) -> dict[str, list[Piece]]:
    """Return, for each speaker, the pieces of time in which nobody else speaks, in order."""
    changes = sorted(
        change for start, end, speaker in turns for change in ((start, 1, speaker), (end, -1, speaker)) if end > start
    )
    speaking: Counter[str] = Counter()
    found: dict[str, list[Piece]] = {}
    since = 0.0
    for time, change, speaker in changes:
        if time > since and len(speaking) == 1:
            pieces = found.setdefault(next(iter(speaking)), [])
            if pieces and pieces[-1][1] == since:  # two turns of one speaker that touch or overlap
                since = pieces.pop()[0]
            pieces.append((since, time))
        since = time
        speaking[speaker] += change
        speaking += Counter()  # drops those who no longer speak
    return found


def longest(pieces: list[Piece]) -> list[Piece]:
    """Return the longest of these pieces, in order of time, of `MAX_S` together; the last is cut."""
    chosen, left = [], MAX_S
    for start, end in sorted(pieces, key=lambda piece: piece[0] - piece[1]):
        length = min(end - start, left)
        if length >= MIN_PIECE_S:
            chosen.append((start, start + length))
            left -= length
    return sorted(chosen)


def bandwidth(speech: Waveform) -> Literal["telephone", "full"]:
    """Return whether speech has the bandwidth of a telephone, from where its energy is in the spectrum."""
    frames = speech[: len(speech) // WINDOW * WINDOW].reshape(-1, WINDOW) * np.hanning(WINDOW).astype(np.float32)
    power = (np.abs(np.fft.rfft(frames)) ** 2).sum(axis=0)
    above = power[np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE) > ABOVE_TELEPHONE_HZ].sum()
    return "telephone" if above < TELEPHONE_SHARE * power.sum() else "full"
