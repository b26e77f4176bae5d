"""Sound that is hard to transcribe: clipped, silent, cut off, of one channel alone."""

import os
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tasks.audio.loudness import QUIET
from tasks.audio.types import SAMPLE_RATE, Audio, AudioFile, Samples
from tasks.quality.spans import Span, seconds
from tasks.quality.transcript import Finding
from tasks.quality.verdict import clock
from tasks.storage import urls

FULL_SCALE = 32_700
"""Samples beyond count as clipped: converters and codecs stop a little below 32,767."""
MOST_CLIPPED = 0.005
"""The share of clipped samples in a second of speech from which on it is distorted."""
CLIPPED_SHARE = 0.1
"""The share of the seconds of speech that must be so."""
EDGE_S, LOUD_EDGE = 0.05, 0.5
"""A file whose last moment is louder than this share of its speech ends in the middle of it."""
MISSING_S, MISSING_SHARE = 1.0, 0.1
"""Less than either may be missing: codecs pad, and the sound of a film may end before its pictures."""
LENGTH_GUESSED = frozenset((".aac", ".ac3", ".adts", ".amr", ".dts", ".eac3", ".mp2", ".mp3"))
"""Their headers may have no length, which FFmpeg then guesses from the bit rate at the beginning."""
CUT_S = 2.0
"""So much before the end is named where to listen."""


def with_damage(audio: Audio, file: AudioFile) -> Audio:
    """Return the audio with a fault noted if it has far less sound than the header of its file, or of a track, says.

    FFmpeg reads a recording that was cut off, or damaged, as far as it can, and calls that a success.
    """
    sound = audio.parts or (audio.samples,)
    if file.tracks:
        found = {track.file.name: _damage(track.file, part) for track, part in zip(file.tracks, sound, strict=True)}
        faults = [f"{name}: {damage}" for name, damage in found.items() if damage]
    else:
        faults = list(filter(None, [_damage(file, sound[0])]))  # all channels are of one length
    return replace(audio, fault="; ".join([*faults, *filter(None, [audio.fault])]) or None)


def _damage(file: AudioFile, samples: Samples) -> str | None:
    """Return how much of a recording could be read, if that is far less than its header says."""
    found_s, said_s = len(samples) / SAMPLE_RATE, file.duration_s
    is_guess = os.path.splitext(urls.path_in(file.path))[1].lower() in LENGTH_GUESSED
    if not found_s or is_guess or said_s - found_s < max(MISSING_S, MISSING_SHARE * said_s):
        return None
    return f"{clock(found_s)} of the {clock(said_s)} that its header says could be read: cut off, or damaged"


def bad_recording(audio: Audio) -> Iterator[Finding]:
    """Yield what is wrong with a recording as a whole."""
    if audio.fault:
        yield Finding("sound", audio.fault)
    heard = [samples for samples in audio.parts or (audio.samples,) if len(samples)]
    if heard and all(max(-int(samples.min()), int(samples.max())) < QUIET * 32768 for samples in heard):
        yield Finding("sound", "the recording is silent")


def bad_sound(samples: Samples, speech: list[Span]) -> Iterator[Finding]:
    """Yield what is wrong with 16 kHz mono samples, shape (samples,), by the speech in them."""
    spoken = [samples[int(start * SAMPLE_RATE) : int(end * SAMPLE_RATE)] for start, end in speech]
    if not any(map(len, spoken)):
        return
    clipped = sum(map(_clipped_seconds, spoken))
    if clipped > max(1, CLIPPED_SHARE * seconds(speech)):
        yield Finding("sound", f"{clipped} s of the speech are clipped")
    loudness = np.sqrt(sum(map(_energy, spoken)) / sum(map(len, spoken)))
    end, edge = len(samples) / SAMPLE_RATE, samples[-int(EDGE_S * SAMPLE_RATE) :]
    if speech[-1][1] > end - EDGE_S and np.sqrt(_energy(edge) / len(edge)) > LOUD_EDGE * loudness:
        yield Finding("sound", "the recording ends in the middle of speech", max(0.0, end - CUT_S), end)


def _energy(samples: Samples) -> float:
    return float(np.square(samples.astype(np.float32)).sum())


def _clipped_seconds(samples: Samples) -> int:
    pieces = np.array_split(samples, max(1, len(samples) // SAMPLE_RATE))
    return sum(float(np.mean(np.abs(piece.astype(np.int32)) > FULL_SCALE)) > MOST_CLIPPED for piece in pieces)
