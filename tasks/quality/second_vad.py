"""Where somebody speaks, by another voice activity detection than the one that chose what Whisper heard."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from tasks.audio.types import SAMPLE_RATE, Samples, as_float
from tasks.models.cache import cached_model
from tasks.models.compute_limits import compute_limits
from tasks.models.instances import InstancePool
from tasks.quality.coverage import MARGIN_S
from tasks.quality.spans import Span, union, without
from tasks.quality.transcript import Segment

if TYPE_CHECKING:
    from whisperx.vads import Pyannote

PIECE_S = 300
"""So much is listened to at a time, since the features of an hour take a gigabyte."""
LEAST_SPEECH_S, LEAST_SILENCE_S = 0.25, 0.3
"""Shorter speech is a click or a breath; shorter silence belongs to the speech around it."""
LEAST_GAP_S = 2.0
"""pyannote's detection, which takes a hundred times as long, listens only to stretches without text of this length."""


def second_speech(samples: Samples, segments: list[Segment], first: Literal["pyannote", "silero"]) -> list[Span]:
    """Return the speech in 16 kHz mono samples, shape (samples,), in order of time.

    After pyannote's detection it is that which silero finds. After silero's, pyannote's is added in the stretches
    without text: only there can it find speech that was left out.
    """
    found = [span for piece in silero_speech(samples) for span in piece]
    if first == "silero":
        texts = union((span for segment in segments for span in segment.spans()), MARGIN_S)
        gaps = without([(0.0, len(samples) / SAMPLE_RATE)], texts)
        found += [span for start, end in gaps if end - start >= LEAST_GAP_S for span in _pyannote(samples, start, end)]
    return union(found)


def silero_speech(samples: Samples) -> Iterator[list[Span]]:
    """Yield the speech piece by piece, by the silero that faster-whisper ships."""
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    options = VadOptions(
        min_speech_duration_ms=round(1000 * LEAST_SPEECH_S),
        min_silence_duration_ms=round(1000 * LEAST_SILENCE_S),
        speech_pad_ms=0,
    )
    for first in range(0, len(samples), PIECE_S * SAMPLE_RATE):
        with compute_limits.slots:
            found = get_speech_timestamps(as_float(samples[first : first + PIECE_S * SAMPLE_RATE]), options)
        yield [((first + each["start"]) / SAMPLE_RATE, (first + each["end"]) / SAMPLE_RATE) for each in found]


def _pyannote(samples: Samples, start: float, end: float) -> Iterator[Span]:
    """Yield the speech in a stretch, by the pyannote that WhisperX ships, with its usual thresholds."""
    import torch

    with _pyannotes().acquire() as vad:
        for first in range(int(start * SAMPLE_RATE), int(end * SAMPLE_RATE), PIECE_S * SAMPLE_RATE):
            piece = as_float(samples[first : min(int(end * SAMPLE_RATE), first + PIECE_S * SAMPLE_RATE)])
            scores = vad({"waveform": torch.from_numpy(piece).unsqueeze(0), "sample_rate": SAMPLE_RATE})
            for chunk in vad.merge_chunks(scores, chunk_size=30, onset=0.5, offset=0.363):
                yield from ((first / SAMPLE_RATE + a, first / SAMPLE_RATE + b) for a, b in chunk["segments"])


@cached_model("second vad")
def _pyannotes() -> "InstancePool[Pyannote]":
    def make() -> "Pyannote":
        import torch
        from whisperx.vads import Pyannote

        return Pyannote(torch.device("cpu"), token=None, vad_onset=0.5, vad_offset=0.363, chunk_size=30)

    return InstancePool(make)
