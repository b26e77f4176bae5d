"""SRT and WebVTT: byte for byte those of WhisperX, apart from the cues that differ on purpose."""

import re

from whisperx.utils import format_timestamp

from tasks.formats.provenance import Provenance
from tasks.formats.subtitles.cues import Cue
from tasks.formats.writers import Layout


def srt(cues: list[Cue], layout: Layout) -> bytes:
    """Return SubRip. It has no voices of its own: they are labels in the text, as in WhisperX."""
    unlabelled = layout.get("speaker_labels") == "none"
    blocks = [
        f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{cue.text if unlabelled else cue.labelled}\n\n"
        for number, cue in enumerate(cues, start=1)
    ]
    return "".join(blocks).encode()


def vtt(cues: list[Cue], layout: Layout, provenance: Provenance) -> bytes:
    """Return WebVTT; the provenance is a NOTE, which players do not show."""
    lines = provenance.lines() if "provenance" in layout else []
    note = "".join(f"{line}\n" for line in ["NOTE", *lines, ""]).replace("-->", "->") if lines else ""
    blocks = [f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n{_payload(cue, layout)}\n\n" for cue in cues]
    return ("WEBVTT\n\n" + note + "".join(blocks)).encode()


def _clock(milliseconds: int, marker: str) -> str:
    clock: str = format_timestamp(milliseconds / 1000, always_include_hours=marker == ",", decimal_marker=marker)
    return clock


def _payload(cue: Cue, layout: Layout) -> str:
    labels = layout.get("speaker_labels")
    text = cue.text if labels else cue.labelled
    if labels == "voice" or "readable" in layout:
        # WhisperX escapes nothing. Whoever asks for more than WhisperX's cues gets WebVTT in which all text is shown.
        text = _escaped(text)
    return f"<v {_escaped(cue.speaker)}>{text}" if labels == "voice" and cue.speaker is not None else text


def _escaped(text: str) -> str:
    plain = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"&lt;(/?u)&gt;", r"<\1>", plain)
