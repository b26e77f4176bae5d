"""Stage load audio: any container and codec that FFmpeg's libraries read, to 16 kHz mono int16."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

import av
import numpy as np
import numpy.typing as npt
from prefect import task
from prefect.cache_policies import NO_CACHE

SAMPLE_RATE = 16_000
BYTES_PER_SECOND = 2 * SAMPLE_RATE

Samples = npt.NDArray[np.int16]


class UnreadableAudio(Exception):
    """The file holds no audio that can be decoded; trying again does not help."""


@dataclass(frozen=True)
class AudioFile:
    """One input: where it lies, the name that people see, and how long it says it is."""

    path: str
    name: str
    duration_s: float


@dataclass
class Audio:
    """The decoded audio of one file, which the stages that read it share in the object store."""

    samples: Samples

    def release(self) -> None:
        """Let go of the samples, and so of their place in the object store."""
        self.samples = np.empty(0, np.int16)


def _open(path: str) -> av.container.InputContainer:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise UnreadableAudio("not a regular file")
        if os.path.getsize(path) == 0:
            raise UnreadableAudio("the file is empty")
        # An absolute path and the allow-list keep playlists and names like "concat:…" from opening anything else.
        return av.open(os.path.abspath(path), options={"protocol_whitelist": "file"}, metadata_errors="replace")
    except FileNotFoundError:
        raise UnreadableAudio("no such file") from None
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise UnreadableAudio(f"not audio that FFmpeg reads: {_reason(error)}") from error


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
            raise UnreadableAudio(f"cannot be read to its end: {_reason(error)}") from error
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
            raise UnreadableAudio(f"cannot be decoded: {_reason(error)}") from error
    return np.concatenate(chunks) if chunks else np.empty(0, np.int16)


def _resampled(resampler: av.AudioResampler | None, frame: av.AudioFrame | None) -> list[Samples]:
    return [out.to_ndarray()[0] for out in resampler.resample(frame)] if resampler else []


def as_float(samples: Samples) -> npt.NDArray[np.float32]:
    """Return the samples in [-1, 1), exactly as `whisperx.load_audio` scales them."""
    audio = samples.astype(np.float32)
    audio /= 32768.0  # in place: an hour is 230 MB
    return audio


@task(name="load audio", task_run_name="{file.name}", cache_policy=NO_CACHE, persist_result=False)
def load_audio(file: AudioFile) -> Audio:
    """Decode one file, once, for every later stage."""
    return Audio(decode(file.path))
