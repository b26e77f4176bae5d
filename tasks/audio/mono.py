"""Decoding a track to 16 kHz, mixed to mono or each channel apart, with silence where its time line has no sound."""

from collections.abc import Iterator

import av
import numpy as np

from tasks.audio.container import UnreadableAudio
from tasks.audio.duration import seconds_of
from tasks.audio.phase import Phase
from tasks.audio.timeline import TimeLine
from tasks.audio.types import SAMPLE_RATE, Samples
from tasks.errors import message_of

RATES = range(1_000, 768_001)
"""Sampling rates, in Hz, of recordings. For others a header of a few bytes makes the resampler take gigabytes."""


def check_rate(rate: int) -> None:
    """Raise UnreadableAudio for a sampling rate that no recording has."""
    if rate not in RATES:
        raise UnreadableAudio(f"its sampling rate cannot be: {rate} Hz")


def resampled(
    frames: Iterator[tuple[av.AudioFrame, float | None]], line: TimeLine, phase: Phase, channels: int
) -> Iterator[Samples]:
    """Yield the samples at 16 kHz, shape (channels, samples), piece by piece; if `channels` is 1, all are mixed.

    Frames with another number of channels are mixed too, and each channel gets the mix.
    """
    resampler, shape = None, None
    for frame, start in frames:
        check_rate(frame.sample_rate)
        phase.add(frame, line.position_s)
        silence_s = line.silence_before(start, frame.samples / frame.sample_rate)
        # Streams that were pieced together change format midway, which a resampler refuses.
        if resampler is None or silence_s or shape != (frame.format.name, frame.layout.name, frame.sample_rate):
            yield from _pieces(resampler, None, channels)
            shape = (frame.format.name, frame.layout.name, frame.sample_rate)
            resampler = _resampler(frame, channels)
        yield from _silence(silence_s, channels)
        yield from _pieces(resampler, frame, channels)
    yield from _pieces(resampler, None, channels)


def _silence(seconds: float, channels: int) -> Iterator[Samples]:
    left = round(seconds * SAMPLE_RATE)
    while left > 0:
        piece = min(left, 60 * SAMPLE_RATE)
        yield np.zeros((channels, piece), np.int16)
        left -= piece


def _resampler(frame: av.AudioFrame, channels: int) -> av.AudioResampler:
    """Return a resampler that keeps a frame's channels apart if there are as many as wanted, and else mixes them.

    It returns packed samples: PyAV 18 looks for the end of the list of planes, which 8 channels fill, and crashes.
    """
    apart = frame.layout.nb_channels == channels > 1
    return av.AudioResampler(format="s16", layout=frame.layout if apart else "mono", rate=SAMPLE_RATE)


def _pieces(resampler: av.AudioResampler | None, frame: av.AudioFrame | None, channels: int) -> Iterator[Samples]:
    for out in resampler.resample(frame) if resampler else []:
        samples = out.to_ndarray().reshape(-1, out.layout.nb_channels).T
        yield np.broadcast_to(samples, (channels, samples.shape[1]))


def frames_of(
    container: av.container.InputContainer, stream: av.AudioStream
) -> Iterator[tuple[av.AudioFrame, float | None]]:
    """Yield the frames that decode and their timestamps; like the ffmpeg program, pass over packets that do not."""
    good, broken = 0, None
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError as error:
            broken = error
            continue
        for frame in frames:
            start = seconds_of(frame.pts, frame.time_base)
            # Some decoders give the first frame no timestamp: it has that of its packet.
            yield frame, seconds_of(packet.pts, packet.time_base) if start is None and not good else start
            good += 1
    if broken and not good:
        raise UnreadableAudio(f"no packet of its audio decodes: {message_of(broken)}")
    if stream.duration and not good:
        raise UnreadableAudio("its header promises audio, and there is none: cut off, or it lies in another file")
