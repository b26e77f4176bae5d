"""How long the audio of a file is, before it is decoded."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from typing import Any

import av

from tasks.audio.container import IGNORE_LENGTH, fault
from tasks.audio.timeline import TIMED_FORMATS, end_in_header_s, format_name, starts_late, time_line

LONGEST_BELIEVED_S = 24 * 3600
"""A header that says more, or nothing, is not believed: the packets are counted."""

LIKELY_BIT_RATE = 64_000
"""From which the length of a file is guessed that does not state it in any way."""


def seconds_of(pts: int | None, time_base: Fraction | None) -> float | None:
    """Return a timestamp in seconds."""
    return None if pts is None or time_base is None else pts * time_base.numerator / time_base.denominator


@dataclass(frozen=True)
class Extent:
    """Where the sound of a file ends on its time line, and whether silence goes before it."""

    end_s: float
    late: bool


def extent_of(container: av.container.InputContainer, stream: av.AudioStream) -> Extent:
    """Return the extent of a track that has just been opened. Raises UnreadableAudio."""
    said_s, packets = said_duration_s(container, stream), container.demux(stream)
    first = []
    if format_name(container) in TIMED_FORMATS:
        # Not the start that FFmpeg has for the track: it may be that of the file.
        with suppress(av.error.FFmpegError, StopIteration):
            first = [next(packets)]
    late = bool(first) and starts_late(container, seconds_of(first[0].pts, first[0].time_base))
    return Extent(said_s or _counted_duration_s(container, stream, chain(first, packets)), late)


def said_duration_s(container: av.container.InputContainer, stream: av.AudioStream) -> float:
    """Return where the sound ends on the time line, as the header says; 0 if it does not, or is not believed."""
    if IGNORE_LENGTH in container.options and stream.codec_context.bit_rate:
        return container.size * 8 / stream.codec_context.bit_rate
    end_s = end_in_header_s(container, stream)
    return end_s if 0 < end_s <= LONGEST_BELIEVED_S else 0.0


def _counted_duration_s(
    container: av.container.InputContainer, stream: av.AudioStream, packets: Iterable[Any]
) -> float:
    """Return where the sound ends, by its packets; where they tell neither times nor lengths, by the file's size."""
    line, sound_s, empty = time_line(container), 0.0, True
    try:
        for packet in packets:
            length_s = float((packet.duration or 0) * packet.time_base)
            sound_s += length_s
            empty = empty and not packet.size
            line.silence_before(seconds_of(packet.pts, packet.time_base), length_s)
    except av.error.FFmpegError as error:
        raise fault(container.name, "cannot be read to its end", error) from error
    if empty or (sound_s and line.position_s > longest_s(sound_s)):
        return sound_s  # so much silence is a fault of the timestamps
    return line.position_s or container.size * 8 / (stream.codec_context.bit_rate or LIKELY_BIT_RATE)


def longest_s(duration_s: float) -> float:
    """Return the most audio, in seconds, to accept from a file that claims this duration.

    Where the header has no duration FFmpeg guesses it from the bit rate of the first seconds, and may be wrong by a
    factor of ten. Anything far beyond that was made to fill the memory.
    """
    return duration_s + min(9 * duration_s, 4 * 3600) + 600
