"""Clips of recordings, for a page that plays them."""

from io import BytesIO

import av
import av.error
import numpy as np

from tasks.audio.container import fault, open_container
from tasks.audio.timeline import time_line
from tasks.audio.tracks import TrackChoice, choose

BIT_RATE = 32_000
RATE = 16_000


def mp3_of(path: str, start: float, end: float, track: int = 0, channel: int = 0) -> bytes:
    """Return a part of a recording, from second `start` to `end`, as mono MP3. Raises UnreadableAudio, OSError.

    `track` is a track's number, from 1; 0: the one that the ffmpeg program takes. `channel` is the channel to be heard,
    from 1; 0: all, mixed.
    Only that part is read, so that a clip of a recording of hours takes no longer than one of a short one.
    """
    written = BytesIO()
    resampler = av.AudioResampler("s16", None if channel else "mono", RATE)
    with open_container(path) as source, av.open(written, "w", format="mp3") as target:
        stream = choose(source, TrackChoice(str(track) if track else None)).stream
        zero = time_line(source).zero or 0.0  # timestamps of a broadcast may begin at hours
        start, end = zero + start, zero + end
        out = target.add_stream("libmp3lame", rate=RATE, layout="mono", options={"b": str(BIT_RATE)})
        try:
            source.seek(int(start * av.time_base))
            for frame in source.decode(stream):
                if frame.time is None or frame.time >= end:
                    break
                if frame.time < start:
                    continue
                frame.pts = None
                for part in resampler.resample(frame):
                    target.mux(out.encode(_mono(part, channel)))
        except av.error.FFmpegError as error:  # damage, which decoding a whole recording steps over
            raise fault(path, "no clip can be cut from it", error) from error
        target.mux(out.encode(None))
    return written.getvalue()


def _mono(frame: av.AudioFrame, channel: int) -> av.AudioFrame:
    """Return one channel of a frame of packed samples; that of a mono frame is its only one."""
    channels = frame.layout.nb_channels
    first = min(channel, channels) - 1 if channel else 0
    samples = np.ascontiguousarray(frame.to_ndarray()[:, first::channels], np.int16)
    mono = av.AudioFrame.from_ndarray(samples, format="s16p", layout="mono")
    mono.sample_rate = frame.sample_rate
    return mono
