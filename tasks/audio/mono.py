"""Decoding a track to 16 kHz mono, with silence where its time line has no sound."""

from collections.abc import Iterator

import av
import numpy as np
import numpy.typing as npt

from tasks.audio.container import UnreadableAudio
from tasks.audio.duration import seconds_of
from tasks.audio.phase import STEREO, Phase
from tasks.audio.timeline import TimeLine
from tasks.faults import why

SAMPLE_RATE = 16_000

RATES = range(1_000, 768_001)
"""Sampling rates, in Hz, of recordings. For others a header of a few bytes makes the resampler take gigabytes."""

Samples = npt.NDArray[np.int16]


def check_rate(rate: int) -> None:
    """Raise UnreadableAudio for a sampling rate that no recording has."""
    if rate not in RATES:
        raise UnreadableAudio(f"its sampling rate cannot be: {rate} Hz")


def mono(
    frames: Iterator[tuple[av.AudioFrame, float | None]], line: TimeLine, phase: Phase, channel: int | None
) -> Iterator[Samples]:
    """Yield the samples at 16 kHz, of one channel or of all mixed, shape (samples,), piece by piece."""
    resampler, shape = None, None
    for frame, start in frames:
        check_rate(frame.sample_rate)
        phase.hear(frame, line.position_s)
        silence_s = line.silence_before(start, frame.samples / frame.sample_rate)
        # Streams that were pieced together change format midway, which a resampler refuses.
        if resampler is None or silence_s or shape != (frame.format.name, frame.layout.name, frame.sample_rate):
            yield from _resampled(resampler, None, channel)
            shape = (frame.format.name, frame.layout.name, frame.sample_rate)
            resampler = _resampler(frame, channel)
        yield from _silence(silence_s)
        yield from _resampled(resampler, frame, channel)
    yield from _resampled(resampler, None, channel)


def _silence(seconds: float) -> Iterator[Samples]:
    left = round(seconds * SAMPLE_RATE)
    while left > 0:
        piece = min(left, 60 * SAMPLE_RATE)
        yield np.zeros(piece, np.int16)
        left -= piece


def _resampler(frame: av.AudioFrame, channel: int | None) -> av.AudioResampler:
    """Return a resampler that mixes the channels, or keeps both where one is to be used alone."""
    apart = channel is not None and frame.layout.nb_channels == STEREO
    return av.AudioResampler(format="s16p", layout="stereo" if apart else "mono", rate=SAMPLE_RATE)


def _resampled(
    resampler: av.AudioResampler | None, frame: av.AudioFrame | None, channel: int | None
) -> Iterator[Samples]:
    for out in resampler.resample(frame) if resampler else []:
        channels = out.to_ndarray()
        yield channels[channel or 0] if len(channels) > 1 else channels[0]


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
        raise UnreadableAudio(f"no packet of its audio decodes: {why(broken)}")
    if stream.duration and not good:
        raise UnreadableAudio("its header promises audio, and there is none: cut off, or it lies in another file")
