"""Speech in any codec, encoded by PyAV."""

from pathlib import Path

import av
import numpy as np
from conftest import TWO_SPEAKERS

from tasks.audio.decoding import decode
from tasks.audio.types import SAMPLE_RATE


def encode(path: Path, codec: str, *, rate: int, layout: str, video: bool = False) -> Path:
    """Encode ten seconds of real speech with a codec, through PyAV."""
    speech = decode(str(TWO_SPEAKERS))[: 10 * SAMPLE_RATE]
    with av.open(str(path), "w") as container:
        if video:
            picture = container.add_stream("mpeg4", rate=5)
            picture.width = picture.height = 64
        stream = container.add_stream(codec, rate=rate, layout=layout)
        if video:
            blank = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))
            for _ in range(50):
                container.mux(picture.encode(blank))
            container.mux(picture.encode(None))
        resampler = av.AudioResampler(format=stream.format, layout=layout, rate=rate, frame_size=stream.frame_size or 0)
        frame = av.AudioFrame.from_ndarray(speech[None, :], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        for resampled in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(resampled))
        container.mux(stream.encode(None))
    return path
