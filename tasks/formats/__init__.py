"""Output formats: transcripts encoded as bytes, one module a format."""

from tasks.diarize import Diarization
from tasks.formats.ass import ass
from tasks.formats.docx import docx
from tasks.formats.markdown import markdown
from tasks.formats.quality import quality_json
from tasks.formats.rttm import rttm
from tasks.formats.textgrid import textgrid
from tasks.formats.writers import Layout, as_whisperx
from tasks.quality.verdict import Quality
from tasks.transcribe import Transcript

ALL = ("srt", "vtt", "txt", "tsv", "json")
"""What WhisperX means by `all`."""
EXTENSIONS = {name: name for name in (*ALL, "aud", "rttm", "ass", "docx", "md")} | {
    "textgrid": "TextGrid",
    "quality": "quality.json",
}
"""The file extension of each format."""


def encode(
    name: str,
    transcript: Transcript,
    diarization: Diarization | None,
    layout: Layout,
    title: str,
    duration_s: float,
    quality: Quality | None = None,
) -> bytes:
    """Encode an output in the named format; the same arguments give the same bytes.

    `transcript` is labelled with speakers already, if there is a `diarization`. `title` is one printable line.
    """
    result = {**transcript.result, "language": transcript.language}  # WhisperX's own may be wrong, or missing
    ours = {
        "rttm": lambda: rttm(diarization, title),
        "textgrid": lambda: textgrid(result, duration_s),
        "ass": lambda: ass(result, layout, title),
        "docx": lambda: docx(result, title),
        "md": lambda: markdown(result, title),
        "quality": lambda: quality_json(quality),
    }
    return ours[name]() if name in ours else as_whisperx(name, result, layout)
