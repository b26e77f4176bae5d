"""Reads SubRip and WebVTT subtitles, and plain text."""

import html
import re

from flows.evaluation.transcripts.recording import Recording, Segment, in_order
from tasks.errors import InvalidInput

TIMES = re.compile(r"^((?:\d+:)?\d+:\d+[.,]\d+)\s+-->\s+((?:\d+:)?\d+:\d+[.,]\d+)")
VOICE = re.compile(r"^<v(?:\.\S*)?\s+([^>]+)>")
LABEL = re.compile(r"^\[([^\]]+)\]:\s+")
"""How WhisperX names the speaker in subtitles and text."""


def read_text(content: str) -> dict[str | None, Recording]:
    """Read text: a segment for each line, which may begin with `[speaker]: `."""
    return {None: Recording(tuple(_labelled(line) for line in content.splitlines() if line.strip()))}


def read_subtitles(content: str) -> dict[str | None, Recording]:
    """Read srt or vtt: a segment for each cue. Raises InvalidInput."""
    segments: list[Segment] = []
    for block in re.split(r"\n[ \t]*\n", content.replace("\r\n", "\n")):
        lines = block.strip("\n").split("\n")
        number = next((i for i, line in enumerate(lines) if TIMES.match(line)), None)
        if number is None:  # the header, a style, a note
            continue
        start, end = (_seconds(time) for time in re.findall(r"[\d:]+[.,]\d+", lines[number])[:2])
        text = " ".join(lines[number + 1 :])
        voice = VOICE.match(text)
        said = _labelled(html.unescape(re.sub(r"</?[a-zA-Z\d][^>]*>", "", text)))
        segments.append(said._replace(start=start, end=end, speaker=voice.group(1).strip() if voice else said.speaker))
    if not segments and content.strip() and content.strip() != "WEBVTT":
        raise InvalidInput("there is no subtitle in it: no line such as 00:00:01,000 --> 00:00:02,000")
    return {None: Recording(in_order(segments))}


def _labelled(text: str) -> Segment:
    label = LABEL.match(text.strip())
    return Segment(text.strip()[label.end() :], speaker=label.group(1)) if label else Segment(text.strip())


def _seconds(time: str) -> float:
    seconds = 0.0
    for part in time.replace(",", ".").split(":"):
        seconds = seconds * 60 + float(part)
    return seconds
