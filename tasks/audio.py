"""Stage load audio: any container and codec of recordings, to 16 kHz mono int16."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import av
import numpy as np
import numpy.typing as npt

from tasks import places
from tasks.container import CannotBeOpened, UnreadableAudio, audio_stream, fault, open_container
from tasks.faults import why
from tasks.results import stage_task

SAMPLE_RATE = 16_000
BYTES_PER_SECOND = 2 * SAMPLE_RATE

RATES = range(1_000, 768_001)
"""Sampling rates, in Hz, of recordings. For others a header of a few bytes makes the resampler take gigabytes."""

LONGEST_BELIEVED_S = 24 * 3600
"""A header that says more, or nothing, is not asked: the packets are counted."""

Samples = npt.NDArray[np.int16]


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

    def check_unchanged(self) -> None:
        """Raise UnreadableAudio if the file is not any more what was planned."""
        if self.size is not None and places.print_of(self.path) != (self.size, self.mtime_ns):
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
    """What a file says of its audio: how long it is; its codec, and which track it is if there are several."""

    duration_s: float
    track: str


def probe(path: str) -> Probed:
    """Look at the file's header, and if that has no duration at its packets, without decoding.

    Raises UnreadableAudio.
    """
    with open_container(path) as container:
        stream = audio_stream(container)
        _check_rate(stream.sample_rate or SAMPLE_RATE)  # 0: not known before some of it is decoded
        track, tracks = stream.codec_context.codec.canonical_name, container.streams.audio
        if len(tracks) > 1:
            track += f", track {tracks.index(stream) + 1} of {len(tracks)}"
        return Probed(_duration_s(container, stream), track)


def _duration_s(container: av.container.InputContainer, stream: av.AudioStream) -> float:
    of_stream = float((stream.duration or 0) * (stream.time_base or 0))
    for seconds in (of_stream, (container.duration or 0) / av.time_base):
        if 0 < seconds <= LONGEST_BELIEVED_S:
            return seconds
    try:
        durations = (packet.duration * packet.time_base for packet in container.demux(stream) if packet.duration)
        return float(max(sum(durations), 0))
    except av.error.FFmpegError as error:
        raise fault(container.name, "cannot be read to its end", error) from error


def _check_rate(rate: int) -> None:
    if rate not in RATES:
        raise UnreadableAudio(f"its sampling rate cannot be: {rate} Hz")


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
        raise UnreadableAudio(f"no packet of its audio decodes: {why(broken)}")
    if stream.duration and not good:
        raise UnreadableAudio("its header promises audio, and there is none: cut off, or it lies in another file")


def _longest_s(duration_s: float) -> float:
    """Return how long the audio of a file may be that says it is so long.

    Where the header has no duration FFmpeg guesses it from the bit rate of the first seconds, and may be wrong by a
    factor of ten. What is far beyond that is made to fill the memory.
    """
    return duration_s + min(9 * duration_s, 4 * 3600) + 600


def decode(path: str, duration_s: float | None = None) -> Samples:
    """Decode the best audio track to int16 samples at 16 kHz, mono, shape (samples,).

    The samples are those of `ffmpeg -ac 1 -ar 16000 -f s16le`, which WhisperX runs. Raises UnreadableAudio, also if
    they are far more than is planned for, which is `duration_s`.
    """
    samples = bytearray()  # it grows in place, where to join arrays would take twice the memory
    longest = None if duration_s is None else _longest_s(duration_s) * BYTES_PER_SECOND
    with open_container(path) as container:
        stream = audio_stream(container)
        try:
            for piece in _mono(container, stream):
                samples.extend(piece.data)
                if longest is not None and len(samples) > longest:
                    raise UnreadableAudio(
                        f"far more audio than the {timedelta(seconds=round(duration_s or 0))} that it says it has; if "
                        "that is wrong, `ffmpeg -i OLD -c copy NEW` mends it"
                    )
        except av.error.FFmpegError as error:
            channels = f"{stream.channels} channel{'' if stream.channels == 1 else 's'}"
            raise fault(path, f"cannot be decoded ({stream.codec_context.name}, {channels})", error) from error
    return np.frombuffer(samples, np.int16)


def _mono(container: av.container.InputContainer, stream: av.AudioStream) -> Iterator[Samples]:
    """Yield the samples at 16 kHz, mono, shape (samples,), piece by piece."""
    resampler, shape = None, None
    for frame in _frames(container, stream):
        # Streams that were pieced together change format midway, which a resampler refuses.
        if resampler is None or shape != (frame.format.name, frame.layout.name, frame.sample_rate):
            _check_rate(frame.sample_rate)
            yield from _resampled(resampler, None)
            shape = (frame.format.name, frame.layout.name, frame.sample_rate)
            resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
        yield from _resampled(resampler, frame)
    yield from _resampled(resampler, None)


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
        audio = Audio(decode(path, file.duration_s))
    file.check_unchanged()  # what was decoded is what the keys of its results stand for
    return audio
