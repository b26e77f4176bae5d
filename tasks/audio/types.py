"""What the stages know of a recording and hand to each other: the file, its samples."""

import hashlib
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from math import inf
from typing import Literal

import numpy as np
import numpy.typing as npt

from tasks.audio.container import CannotBeOpened
from tasks.storage import io
from tasks.storage.urls import is_url

SAMPLE_RATE = 16_000
BYTES_PER_SECOND = 2 * SAMPLE_RATE
MOST_CHANNELS = 8
"""Of files whose channels are decoded apart. Those with more are concerts, or made to fill the memory."""

Samples = npt.NDArray[np.int16]
"""16 kHz, mono, shape (samples,)."""

ChannelMode = Literal["mix", "split", "auto"]
"""Channels are mixed, or transcribed apart, each a speaker; auto: apart if they are of different people."""

AUTO_RULES = 1
"""Raise it when tasks/channels/parties.py, by which auto decides, decides otherwise of the same channels."""


@dataclass(frozen=True)
class Track:
    """A recording of one of the speakers, which begins so many seconds after the start of all."""

    file: "AudioFile"
    speaker: str
    offset_s: float = 0.0


@dataclass(frozen=True)
class AudioFile:
    """One input: where it lies, the name that people see, what its header says of its audio.

    `size` and `mtime_ns` are those of the content that `keys`, the keys of its stage results, stand for.
    """

    path: str
    name: str
    duration_s: float = 0.0
    size: int | None = None
    mtime_ns: int = 0
    keys: dict[str, str] = field(default_factory=dict)
    track: str = ""
    track_number: int = 0
    """The track to read, from 1; 0: the one that the ffmpeg program takes."""

    retimed: bool = False
    """Its samples differ from those that the ffmpeg program, and the first version of this one, decode."""

    channels: int = 1
    channel_mode: ChannelMode = "mix"
    speakers: tuple[str, ...] = ()
    """Who speaks in its parts, in their order, as far as that is known."""

    tracks: tuple[Track, ...] = ()
    """The recordings of a group. It has no file at its path then; `size` and `mtime_ns` stand for those of all."""

    skip_bad_tracks: bool = False
    left_out: tuple[str, ...] = ()
    """Which tracks were left out, and why."""

    @property
    def parts(self) -> int:
        """How many parts it may be transcribed in, each of one speaker; 0: in one piece."""
        if self.tracks:
            return len(self.tracks)
        most = MOST_CHANNELS if self.channel_mode == "auto" else inf
        return self.channels if self.channel_mode != "mix" and 1 < self.channels <= most else 0

    @property
    def is_split(self) -> bool:
        """Whether it is certainly transcribed in parts, so that no diarization is needed."""
        return bool(self.tracks) or (self.parts > 0 and self.channel_mode == "split")

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that stored results have for the speakers of its parts."""
        return tuple(f"{'TRACK' if self.tracks else 'CHANNEL'}_{number}" for number in range(self.parts))

    @property
    def offsets_s(self) -> tuple[float, ...]:
        """When its parts begin."""
        return tuple(track.offset_s for track in self.tracks) or (0.0,) * self.parts

    @property
    def names(self) -> dict[str, str]:
        """The names of those speakers, by their labels."""
        return dict(zip(self.labels, self.speakers, strict=False))

    @property
    def title(self) -> str:
        """Its name with those of its speakers."""
        return f"{self.name} · {', '.join(dict.fromkeys(self.names.values()))}" if self.names else self.name

    @property
    def sound_s(self) -> float:
        """The seconds of sound that the stages work through."""
        return sum(track.file.duration_s for track in self.tracks) or self.duration_s * max(self.parts, 1)

    @property
    def key_mark(self) -> str:
        """The end of its keys: empty where the samples are those that the ffmpeg program decodes."""
        track = f"-track{self.track_number}" if self.track_number else ""
        mode = f"-{self.channel_mode}" if self.parts and not self.tracks else ""
        rules = str(AUTO_RULES) if mode == "-auto" and AUTO_RULES > 1 else ""
        skipping = "-skipping" if self.tracks and self.skip_bad_tracks else ""
        return f"{track}{'-retimed' if self.retimed else ''}{mode}{rules}{skipping}"

    @property
    def equivalents(self) -> tuple["AudioFile", ...]:
        """The files whose results hold for it: itself, and a group that skips bad tracks also without skipping any."""
        return (self, replace(self, skip_bad_tracks=False)) if self.skip_bad_tracks else (self,)

    @property
    def outputs_mark(self) -> str:
        """The end of the key of its outputs, which have the names of its speakers, too."""
        names = self.names
        if not names:
            return self.key_mark
        return f"{self.key_mark}-{hashlib.sha256(json.dumps(names).encode()).hexdigest()[:16]}"

    @property
    def day(self) -> date | None:
        """The day that the file was last changed; that of an object in a store is not known."""
        if self.tracks:
            return max((day for track in self.tracks if (day := track.file.day)), default=None)
        known = self.mtime_ns and not is_url(self.path)
        return datetime.fromtimestamp(self.mtime_ns / 1e9, tz=UTC).date() if known else None

    def check_unchanged(self) -> None:
        """Raise CannotBeOpened if the file, or that of a track, has changed since it was planned."""
        if self.tracks:
            for track in self.tracks:
                track.file.check_unchanged()
            return
        if self.size is not None and io.version_of(self.path) != (self.size, self.mtime_ns):
            raise CannotBeOpened("the file was changed while the batch ran; run again")


@dataclass
class Audio:
    """The decoded audio of one file, which the stages that read it share in the object store."""

    samples: Samples
    """Empty where it has parts."""
    fault: str | None = None
    """What is wrong with the file or its channels."""
    parts: tuple[Samples, ...] = ()
    """The channels, or tracks, that are transcribed apart."""
    offsets_s: tuple[float, ...] = ()
    """When each of them begins."""

    def release(self) -> None:
        """Drop the samples, and with them their place in the object store."""
        self.samples, self.parts, self.offsets_s = np.empty(0, np.int16), (), ()


def as_float(samples: Samples) -> npt.NDArray[np.float32]:
    """Return the samples in [-1, 1), exactly as `whisperx.load_audio` scales them."""
    audio = samples.astype(np.float32)
    audio /= 32768.0  # in place: an hour is 230 MB
    return audio
