"""Stage load audio: any container and codec of recordings, to 16 kHz mono int16."""

import logging
from dataclasses import dataclass, field
from datetime import timedelta
from math import inf

import av
import numpy as np
import numpy.typing as npt

from tasks.audio.container import IGNORE_LENGTH, CannotBeOpened, UnreadableAudio, fault, open_container
from tasks.audio.duration import extent_of, longest_s, said_duration_s
from tasks.audio.mono import SAMPLE_RATE as SAMPLE_RATE  # noqa: PLC0414 - others import it from here
from tasks.audio.mono import Samples as Samples  # noqa: PLC0414 - the same
from tasks.audio.mono import check_rate, frames_of, mono
from tasks.audio.phase import Phase
from tasks.audio.timeline import TimeLine, end_in_header_s, time_line
from tasks.audio.tracks import ANY_TRACK, TrackChoice, choose
from tasks.storage import io
from tasks.storage.results import stage_task

logger = logging.getLogger(__name__)

BYTES_PER_SECOND = 2 * SAMPLE_RATE


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
    """Its samples are others than those that the ffmpeg program, and the first version of this one, decode."""

    @property
    def key_mark(self) -> str:
        """What its keys end with: nothing where the samples are those that the ffmpeg program decodes."""
        return f"{f'-track{self.track_number}' if self.track_number else ''}{'-retimed' if self.retimed else ''}"

    def check_unchanged(self) -> None:
        """Raise UnreadableAudio if the file is not any more what was planned."""
        if self.size is not None and io.print_of(self.path) != (self.size, self.mtime_ns):
            raise CannotBeOpened("the file was changed while the batch ran; run again")


@dataclass
class Audio:
    """The decoded audio of one file, which the stages that read it share in the object store."""

    samples: Samples

    def release(self) -> None:
        """Let go of the samples, and so of their place in the object store."""
        self.samples = np.empty(0, np.int16)


@dataclass(frozen=True)
class Probed:
    """What a file says of its audio.

    `duration_s` is where its sound ends on the container's time line. `track` has the codec and, if there are several,
    which track is read; `track_number` is its number, from 1, if it is not the one that the ffmpeg program takes.
    `retimed` tells that the sound begins later, or is longer, than the ffmpeg program has it.
    """

    duration_s: float
    track: str
    track_number: int = 0
    retimed: bool = False


def probe(path: str, choice: TrackChoice = ANY_TRACK) -> Probed:
    """Look at the file's header, and if that has no duration at its packets, without decoding.

    Raises UnreadableAudio, also if there is no such track.
    """
    with open_container(path) as container:
        track = choose(container, choice)
        check_rate(track.stream.sample_rate or SAMPLE_RATE)  # 0: not known before some of it is decoded
        extent = extent_of(container, track.stream)
        retimed = extent.late or IGNORE_LENGTH in container.options
        number = 0 if track.is_default else track.number
        return Probed(extent.end_s, track.description, number, retimed)


def decode(path: str, duration_s: float | None = None, track_number: int = 0) -> Samples:
    """Decode an audio track to int16 samples at 16 kHz, mono, shape (samples,).

    The samples are those of `ffmpeg -ac 1 -ar 16000 -f s16le`, which WhisperX runs, with silence where the container's
    time line has none. `track_number` 0 is the ffmpeg program's choice. Stereo whose channels cancel each other gives
    the louder one. Raises UnreadableAudio, also if it is far more than is planned for, which is `duration_s`.
    """
    samples, lone_channel = _decode(path, duration_s, track_number)
    if lone_channel is not None:
        logger.warning("its two channels cancel each other when they are mixed: channel %d is used", lone_channel + 1)
        del samples
        samples, _ = _decode(path, duration_s, track_number, lone_channel)
    return np.frombuffer(samples, np.int16)


def _decode(
    path: str, duration_s: float | None, track_number: int, channel: int | None = None
) -> tuple[bytearray, int | None]:
    """Return the samples, and the channel to use alone if the mix has lost its sound."""
    samples = bytearray()  # it grows in place, where to join arrays would take twice the memory
    longest = None if duration_s is None else longest_s(duration_s) * BYTES_PER_SECOND
    with open_container(path) as container:
        stream = choose(container, TrackChoice(str(track_number) if track_number else None)).stream
        line = time_line(container, said_duration_s(container, stream) or duration_s or inf)
        phase = Phase()
        try:
            for piece in mono(frames_of(container, stream), line, phase, channel):
                samples.extend(piece.data)
                if longest is not None and len(samples) > longest:
                    raise UnreadableAudio(
                        f"far more audio than the {timedelta(seconds=round(duration_s or 0))} that it says it has, or "
                        "that its size suggests; if that is wrong, `ffmpeg -i OLD -c copy NEW` mends it"
                    )
        except av.error.FFmpegError as error:
            channels = f"{stream.channels} channel{'' if stream.channels == 1 else 's'}"
            raise fault(path, f"cannot be decoded ({stream.codec_context.name}, {channels})", error) from error
        if channel is None:
            _warn(container, stream, line)
    return samples, phase.lone_channel() if channel is None else None


def _warn(container: av.container.InputContainer, stream: av.AudioStream, line: TimeLine) -> None:
    if end_in_header_s(container, stream) < said_duration_s(container, stream) - 1:
        logger.warning("its WAV header counts less sound than there is: all of the file is read")
    if line.jumped:
        logger.warning("the timestamps of its audio jump: what follows a jump is taken to follow the sound before it")
    if line.silence_s:
        logger.info("%.1f s of silence where the time line of the file has no sound", line.silence_s)


def as_float(samples: Samples) -> npt.NDArray[np.float32]:
    """Return the samples in [-1, 1), exactly as `whisperx.load_audio` scales them."""
    audio = samples.astype(np.float32)
    audio /= 32768.0  # in place: an hour is 230 MB
    return audio


@stage_task("load audio", kept=False)  # it can be had again for less than it takes to keep
def load_audio(file: AudioFile) -> Audio:
    """Decode one file, once, for every later stage."""
    with io.local_copy(file.path) as path:
        audio = Audio(decode(path, file.duration_s, file.track_number))
    file.check_unchanged()  # what was decoded is what the keys of its results stand for
    return audio
