"""The time line of a container: how much silence belongs before each piece of its sound."""

from dataclasses import dataclass
from math import inf

import av

TIMED_FORMATS = frozenset("asf avi flv matroska mov mpeg mpegts mxf ogg rm wtv".split())
"""Formats that store timestamps. For the others FFmpeg makes them up, and they may be wrong after damaged data."""

BEGINNING_ANYWHERE = frozenset(("mpeg", "mpegts", "ogg"))
"""Formats whose timestamps may begin at any value, and begin anew in the middle: broadcasts and captured streams."""

ENDS_COUNTED_FROM_ZERO = frozenset(("asf", "matroska"))
"""Formats whose duration is the time of their end; that of the others is a length."""

GUESSED = 0.9
"""If a track fills this share of a file at its bit rate, FFmpeg may have guessed its length from that."""

KEPT_AS_DECODED_S = 0.1
"""A shift below this, such as an encoder's delay, is left as the ffmpeg program leaves it."""

MISSING_S = 0.01
"""A step above this between two pieces is missing sound; below it is rounding, or a clock that runs slow."""

LONGEST_SILENCE_S = 4 * 3600
"""The most silence in a file. Timestamps cost an attacker nothing, the silence takes memory."""

LATEST_START_S = 600
"""A file in which no track begins before this was cut out of a live stream: it begins with its first packet."""

LONGEST_STEP_S = 600
"""In formats whose timestamps may begin anew in the middle, a longer step is taken for that."""


def format_name(container: av.container.InputContainer) -> str:
    """Return FFmpeg's first name of the container's format."""
    return container.format.name.split(",")[0]


@dataclass
class TimeLine:
    """Counts sound and silence from the start of the file.

    `zero` is the timestamp of the file's beginning, None if that is the first one. `end_s` bounds what is believed of
    the timestamps: no sound can lie after it. `jumped`: some were not believed.
    """

    timed: bool
    zero: float | None
    end_s: float = inf
    longest_step_s: float = inf
    position_s: float = 0.0
    silence_s: float = 0.0
    jumped: bool = False
    _next: float | None = None
    """The timestamp at which the next piece begins if nothing is missing."""

    def silence_before(self, start: float | None, length_s: float) -> float:
        """Return the seconds of silence before a piece of sound that starts at a timestamp, and count both.

        A piece without a timestamp, one that goes back, and one that lies too far ahead follow the piece before them.
        """
        silence = 0.0
        if start is not None and self.timed:
            if self.zero is None:
                self.zero = start
            late = start - self.zero - self.position_s
            step = late if self._next is None else start - self._next
            ahead = late >= KEPT_AS_DECODED_S and step > MISSING_S
            behind = late <= -KEPT_AS_DECODED_S and step < -MISSING_S
            if ahead and self._is_believable(late, step):
                silence = late
            elif ahead or behind:
                self.zero += late
                self.jumped |= abs(step) >= KEPT_AS_DECODED_S
            self._next = start
        if self._next is not None:
            self._next += length_s
        self.silence_s += silence
        self.position_s += silence + length_s
        return silence

    def _is_believable(self, late: float, step: float) -> bool:
        if self.silence_s + late > LONGEST_SILENCE_S:
            return False
        if self._next is None:
            return late <= max(self.end_s, LATEST_START_S)
        return self.position_s + late <= self.end_s + 1 and step <= self.longest_step_s


def time_line(container: av.container.InputContainer, end_s: float = inf) -> TimeLine:
    """Return the time line of a container whose sound ends at `end_s`."""
    name = format_name(container)
    longest_step_s = LONGEST_STEP_S if name in BEGINNING_ANYWHERE else inf
    return TimeLine(name in TIMED_FORMATS, _zero(container), end_s, longest_step_s)


def _zero(container: av.container.InputContainer) -> float | None:
    """Return the timestamp at which a player begins.

    Broadcasts and captured streams begin, often at hours, with their earliest track; the others at 0, whether a track
    does or not.
    """
    absolute = format_name(container) not in BEGINNING_ANYWHERE
    if container.start_time is None:
        return 0.0 if absolute else None
    start = container.start_time / av.time_base
    return 0.0 if absolute and 0 <= start <= LATEST_START_S else start


def starts_late(container: av.container.InputContainer, first: float | None) -> bool:
    """Return whether silence precedes a track with this first timestamp."""
    zero = _zero(container)
    timed = format_name(container) in TIMED_FORMATS and first is not None and zero is not None
    return bool(timed and (first or 0.0) - (zero or 0.0) >= KEPT_AS_DECODED_S)


def end_in_header_s(container: av.container.InputContainer, stream: av.AudioStream) -> float:
    """Return where on the time line the track ends, as the header says; 0 if it does not."""
    name, zero = format_name(container), _zero(container) or 0.0
    if stream.duration and stream.time_base:
        length, start = float(stream.duration * stream.time_base), float((stream.start_time or 0) * stream.time_base)
    else:
        length = (container.duration or 0) / av.time_base
        start = (container.start_time or 0) / av.time_base if name == "flv" else zero
    if length <= 0 or name not in TIMED_FORMATS:
        return length
    if name in ("flv", "matroska") and length * (stream.codec_context.bit_rate or 0) / 8 > GUESSED * container.size:
        return 0.0
    return length - zero if name in ENDS_COUNTED_FROM_ZERO else start + length - zero
