"""What the stages know of a recording and hand to each other: the file, its samples."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import numpy as np
import numpy.typing as npt

from tasks.audio.container import CannotBeOpened
from tasks.storage import io
from tasks.storage.urls import is_url

SAMPLE_RATE = 16_000
BYTES_PER_SECOND = 2 * SAMPLE_RATE

Samples = npt.NDArray[np.int16]
"""16 kHz, mono, shape (samples,)."""


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

    @property
    def key_mark(self) -> str:
        """The end of its keys: empty where the samples are those that the ffmpeg program decodes."""
        return f"{f'-track{self.track_number}' if self.track_number else ''}{'-retimed' if self.retimed else ''}"

    @property
    def day(self) -> date | None:
        """The day that the file was last changed; that of an object in a store is not known."""
        known = self.mtime_ns and not is_url(self.path)
        return datetime.fromtimestamp(self.mtime_ns / 1e9, tz=UTC).date() if known else None

    def check_unchanged(self) -> None:
        """Raise CannotBeOpened if the file has changed since it was planned."""
        if self.size is not None and io.version_of(self.path) != (self.size, self.mtime_ns):
            raise CannotBeOpened("the file was changed while the batch ran; run again")


@dataclass
class Audio:
    """The decoded audio of one file, which the stages that read it share in the object store."""

    samples: Samples
    fault: str | None = None
    """What is wrong with the file or its channels."""

    def release(self) -> None:
        """Drop the samples, and with them their place in the object store."""
        self.samples = np.empty(0, np.int16)


def as_float(samples: Samples) -> npt.NDArray[np.float32]:
    """Return the samples in [-1, 1), exactly as `whisperx.load_audio` scales them."""
    audio = samples.astype(np.float32)
    audio /= 32768.0  # in place: an hour is 230 MB
    return audio
