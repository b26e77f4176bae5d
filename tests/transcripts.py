"""Transcripts for tests of the output formats, and what the formats make of them."""

from typing import Any

from tasks.diarize import Diarization
from tasks.formats import NOTHING_KNOWN, encode
from tasks.formats.provenance import Provenance
from tasks.formats.writers import Layout
from tasks.transcribe import Transcript

PLAIN = Layout(max_line_width=None, max_line_count=None, highlight_words=False)


def word(text: str, start: float, end: float) -> dict[str, Any]:
    """Return a word with its times."""
    return {"word": text, "start": start, "end": end}


def segment(start: float, end: float, text: str, **more: Any) -> dict[str, Any]:
    """Return a segment, as Whisper gives it: with a space in front."""
    return {"start": start, "end": end, "text": f" {text}", **more}


GOOD_DAY = segment(0.5, 1.4, "Good day.", speaker="A", words=[word("Good", 0.5, 0.8), word("day.", 0.9, 1.4)])
LOST = segment(2.0, 4.0, "♪ la la la la la la ♪", speaker="B", words=[])
BYE = segment(5.0, 6.0, "Bye 2 you", speaker="A", words=[word("Bye", 5.0, 5.2), {"word": "2"}, word("you", 5.2, 6.0)])
SEGMENTS = [GOOD_DAY, LOST, BYE]
TURNS = Diarization([(0.5, 1.4, "A"), (1.3, 4.0, "B"), (1.3, 4.0, "A"), (5.0, 6.0, "A")])


def ours(
    name: str,
    segments: list[dict[str, Any]],
    layout: Any = PLAIN,
    *,
    language: str = "en",
    diarization: Diarization | None = TURNS,
    title: str = "a talk",
    provenance: Provenance = NOTHING_KNOWN,
) -> bytes:
    """Return our output, for 7 s of audio."""
    return encode(name, Transcript(language, {"segments": segments}), diarization, layout, title, 7.0, provenance)
