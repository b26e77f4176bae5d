"""Stage load audio: any container and codec that FFmpeg's libraries read, to 16 kHz mono int16."""

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import av
import numpy as np
import numpy.typing as npt

from tasks import places
from tasks.faults import LASTING_ERRNOS, FileFault
from tasks.results import stage_task

SAMPLE_RATE = 16_000
BYTES_PER_SECOND = 2 * SAMPLE_RATE

PASSING_ERRNOS = frozenset({errno.EAGAIN, errno.EHOSTDOWN, errno.EIO, errno.EMFILE, errno.ESTALE, errno.ETIMEDOUT})
"""Faults of a network share or a busy machine."""

Samples = npt.NDArray[np.int16]


class UnreadableAudio(FileFault):
    """The file holds no audio that can be decoded."""


@dataclass(frozen=True)
class AudioFile:
    """One input: where it lies, the name that people see, and how long it says it is.

    `size` and `mtime_ns` are those of the content that `keys`, the keys of its stage results, stand for.
    """

    path: str
    name: str
    duration_s: float = 0.0
    size: int | None = None
    mtime_ns: int = 0
    keys: dict[str, str] = field(default_factory=dict)

    def check_unchanged(self) -> None:
        """Raise UnreadableAudio if the file is not any more what was planned."""
        if self.size is not None and places.print_of(self.path) != (self.size, self.mtime_ns):
            raise UnreadableAudio("the file was changed while the batch ran; run again")


@dataclass
class Audio:
    """The decoded audio of one file, which the stages that read it share in the object store."""

    samples: Samples

    def release(self) -> None:
        """Let go of the samples, and so of their place in the object store."""
        self.samples = np.empty(0, np.int16)


@contextmanager
def _open(path: str) -> Iterator[av.container.InputContainer]:
    check_regular(path)
    with ExitStack() as opened:
        source = opened.enter_context(places.opened(path)) if places.is_url(path) else os.path.abspath(path)
        try:
            # An absolute path and the allow-list keep playlists and names like "concat:…" from opening anything else.
            container = av.open(source, "r", options={"protocol_whitelist": "file"}, metadata_errors="replace")
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise _fault("not audio that FFmpeg reads", error) from error
        opened.enter_context(container)
        yield container


def check_regular(path: str) -> places.Print:
    """Return the print of a file that may be opened: a FIFO or a device could block for ever. Raises UnreadableAudio.

    Other faults of the file system, or of the store, which may pass, are raised as OSError.
    """
    try:
        found = places.print_of(path)
    except OSError as error:
        if error.errno in {*LASTING_ERRNOS, errno.ELOOP}:
            raise UnreadableAudio(f"cannot be opened: {error.strerror}") from None
        raise
    if found is None:
        raise UnreadableAudio("no such file")
    if not places.is_url(path) and not os.path.isfile(path):
        raise UnreadableAudio("not a regular file")
    if found[0] == 0:
        raise UnreadableAudio("the file is empty")
    return found


def _fault(what: str, error: Exception) -> Exception:
    """Return an error of the storage as it is, for another try may help, and any other as the file's own fault."""
    if isinstance(error, OSError) and error.errno in PASSING_ERRNOS:
        return OSError(error.errno, f"{what}: {_reason(error)}")
    return UnreadableAudio(f"{what}: {_reason(error)}")


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _audio_stream(container: av.container.InputContainer) -> av.AudioStream:
    stream = container.streams.best("audio")  # the choice of the ffmpeg program
    if not isinstance(stream, av.AudioStream):
        raise UnreadableAudio("no audio track")
    return stream


def probe(path: str) -> float:
    """Return the duration in seconds, from the header where it has one, else from the packets, without decoding.

    Raises UnreadableAudio.
    """
    with _open(path) as container:
        stream = _audio_stream(container)
        if stream.duration is not None and stream.time_base is not None:
            return float(stream.duration * stream.time_base)
        if container.duration is not None:
            return float(container.duration / av.time_base)
        try:
            packets = [packet for packet in container.demux(stream) if packet.duration]
        except av.error.FFmpegError as error:
            raise _fault("cannot be read to its end", error) from error
        return float(sum(packet.duration * packet.time_base for packet in packets if packet.duration))


def _frames(container: av.container.InputContainer, stream: av.AudioStream) -> Iterator[av.AudioFrame]:
    """Yield the frames that decode; like the ffmpeg program, pass over packets that do not."""
    good, broken = 0, None
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError as error:
            broken = error
            continue
        for frame in frames:
            good += 1
            yield frame
    if broken and not good:
        raise UnreadableAudio(f"no packet of its audio decodes: {_reason(broken)}")


def decode(path: str) -> Samples:
    """Decode the best audio track to int16 samples at 16 kHz, mono, shape (samples,).

    The samples are those of `ffmpeg -ac 1 -ar 16000 -f s16le`, which WhisperX runs. Raises UnreadableAudio.
    """
    chunks: list[Samples] = []
    with _open(path) as container:
        stream = _audio_stream(container)
        resampler, shape = None, None
        try:
            for frame in _frames(container, stream):
                # Streams that were pieced together change format midway, which a resampler refuses.
                if resampler is None or shape != (frame.format.name, frame.layout.name, frame.sample_rate):
                    chunks += _resampled(resampler, None)
                    shape = (frame.format.name, frame.layout.name, frame.sample_rate)
                    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
                chunks += _resampled(resampler, frame)
            chunks += _resampled(resampler, None)
        except av.error.FFmpegError as error:
            raise _fault("cannot be decoded", error) from error
    return np.concatenate(chunks) if chunks else np.empty(0, np.int16)


def _resampled(resampler: av.AudioResampler | None, frame: av.AudioFrame | None) -> list[Samples]:
    return [out.to_ndarray()[0] for out in resampler.resample(frame)] if resampler else []


def as_float(samples: Samples) -> npt.NDArray[np.float32]:
    """Return the samples in [-1, 1), exactly as `whisperx.load_audio` scales them."""
    audio = samples.astype(np.float32)
    audio /= 32768.0  # in place: an hour is 230 MB
    return audio


@stage_task("load audio", kept=False)  # it can be had again for less than it takes to keep
def load_audio(file: AudioFile) -> Audio:
    """Decode one file, once, for every later stage."""
    with places.local_copy(file.path) as path:
        audio = Audio(decode(path))
    file.check_unchanged()  # what was decoded is what the keys of its results stand for
    return audio
