"""Cues as programs that nobody here wrote read them."""

from io import BytesIO

import av

Read = list[tuple[int, int, str]]
"""Start and end in milliseconds, and the text."""


def cues_of(name: str, content: bytes) -> Read:
    """Return the cues in milliseconds as FFmpeg reads them."""
    with av.open(BytesIO(content), format={"vtt": "webvtt"}.get(name, name)) as container:
        (stream,) = container.streams
        packets = [packet for packet in container.demux(stream) if packet.size]
        scale = 1000 * stream.time_base
        return [
            (int(each.pts * scale), int((each.pts + each.duration) * scale), bytes(each).decode()) for each in packets
        ]
