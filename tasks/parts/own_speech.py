"""Speech of a channel, or track, that is not merely heard from another one."""

from collections.abc import Iterator
from itertools import pairwise
from statistics import median
from typing import Literal

import numpy as np

from tasks.audio.types import SAMPLE_RATE, Samples
from tasks.channels.correlation import level_db
from tasks.channels.parties import APART_DB
from tasks.parts.separate import Part
from tasks.quality.coverage import covered
from tasks.quality.second_vad import second_speech
from tasks.quality.spans import Span, union, without

PIECE_S = 1.0
"""Levels are compared in pieces of this length: syllables of two people who talk at once differ by more than speech."""


def own_speech(parts: list[Part], first: Literal["pyannote", "silero"]) -> list[list[Span]]:
    """Return the speech in each part, by its own time, without what is heard there of another one.

    That is where its words were removed as crosstalk, and where another part, other than usual, is louder by 12 dB, as
    for --channels auto. `first` is the voice activity detection of the transcription: speech is found by another one.
    """
    speech = [second_speech(part.samples, part.segments, first) for part in parts]
    if len(parts) == 1:
        return speech
    usual = [_usual_db(part, spans) for part, spans in zip(parts, speech, strict=True)]
    heard = list(zip(parts, speech, usual, strict=True))
    found = []
    for part, spans, own_db in heard:
        others = [(other, other_db - own_db if other_db and own_db else 0.0) for other, _, other_db in heard]
        faint = [
            piece
            for piece in _pieces(spans)
            if any(_louder_db(other, part, piece) > bias_db + APART_DB for other, bias_db in others)
        ]
        found.append(list(without(spans, union([*part.crosstalk, *faint]))))
    return found


def _usual_db(part: Part, speech: list[Span]) -> float | None:
    """Return the level of the speech that is a part's own by its words; None if there is none."""
    gaps = list(without(speech, covered(part.segments)))
    levels = [_level_db(part.samples, *piece) for piece in _pieces(list(without(speech, gaps)))]
    return median(levels) if levels else None


def _pieces(spans: list[Span]) -> Iterator[Span]:
    """Yield pieces of about one second."""
    for start, end in spans:
        edges = np.linspace(start, end, max(1, round((end - start) / PIECE_S)) + 1)
        yield from ((float(first), float(last)) for first, last in pairwise(edges))


def _louder_db(other: Part, part: Part, span: Span) -> float:
    """Return by how much another part is louder than a part between two times of the latter."""
    start, end = (time + part.offset_s - other.offset_s for time in span)
    return _level_db(other.samples, start, end) - _level_db(part.samples, *span)


def _level_db(samples: Samples, start: float, end: float) -> float:
    first, last = (max(0, round(time * SAMPLE_RATE)) for time in (start, end))
    return level_db(samples[first:last])
