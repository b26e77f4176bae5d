"""Output formats: transcripts encoded as bytes, one module a format."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from tasks.diarize import Diarization
from tasks.formats.ctm import ctm
from tasks.formats.documents.markdown import markdown
from tasks.formats.documents.qualitative import f4, nvivo
from tasks.formats.eaf import eaf
from tasks.formats.html.page import html
from tasks.formats.html.recording import Recording
from tasks.formats.provenance import Provenance
from tasks.formats.quality import quality_json
from tasks.formats.rttm import rttm
from tasks.formats.seglst import seglst
from tasks.formats.subtitles import captions, cut
from tasks.formats.subtitles.ass import ass
from tasks.formats.subtitles.cues import Cue
from tasks.formats.subtitles.srt_vtt import srt, vtt
from tasks.formats.subtitles.ttml import ttml
from tasks.formats.textgrid import textgrid
from tasks.formats.word_table import word_table
from tasks.formats.writers import Layout, Result, as_whisperx
from tasks.people.matching import Match
from tasks.quality.verdict import Quality
from tasks.transcribe import Transcript


@dataclass(frozen=True)
class Material:
    """The input of every format."""

    result: Result
    diarization: Diarization | None
    layout: Layout
    title: str
    duration_s: float
    provenance: Provenance
    quality: Quality | None
    people: list[Match] | None
    recording: Recording

    @property
    def labels(self) -> str | None:
        """How speakers are named in subtitles; None: by labels in the text, as in WhisperX."""
        return self.layout.get("speaker_labels")

    def cues(self, *, labelled: bool) -> list[Cue]:
        """Return the cues of subtitles; `labelled` if the format puts the speakers' labels into the text."""
        return cut(self.result, self.layout, labelled=labelled)

    def json(self) -> bytes:
        """Return WhisperX's JSON, with the provenance if that is wanted. Its own writer takes three times as long."""
        more = {"provenance": self.provenance.items()} if "provenance" in self.layout else {}
        return json.dumps({**self.result, **more}, ensure_ascii=False).encode()


def _docx(of: Material) -> bytes:
    from tasks.formats.documents.docx import docx  # here: python-docx takes as long as the others together

    return docx(of.result, of.layout, of.title, of.provenance)


ENCODERS: dict[str, Callable[[Material], bytes]] = {
    "srt": lambda of: srt(of.cues(labelled=of.labels != "none"), of.layout),
    "vtt": lambda of: vtt(of.cues(labelled=not of.labels), of.layout, of.provenance),
    "txt": lambda of: as_whisperx("txt", of.result),
    "tsv": lambda of: as_whisperx("tsv", of.result),
    "json": Material.json,
    "aud": lambda of: as_whisperx("aud", of.result),
    "rttm": lambda of: rttm(of.diarization, of.title),
    "ass": lambda of: ass(of.cues(labelled=False), of.layout, of.title, of.provenance),
    "docx": _docx,
    "md": lambda of: markdown(of.result, of.layout, of.title, of.provenance),
    "textgrid": lambda of: textgrid(of.result, of.duration_s),
    "ttml": lambda of: ttml(of.cues(labelled=not of.labels), of.result["language"], of.layout, of.title, of.provenance),
    "scc": lambda of: captions(of.result, of.layout),
    "csv": lambda of: word_table(of.result),
    "eaf": lambda of: eaf(of.result, of.layout, of.provenance),
    "maxqda": lambda of: f4(of.result),
    "atlasti": lambda of: f4(of.result),
    "nvivo": lambda of: nvivo(of.result),
    "ctm": lambda of: ctm(of.result, of.title),
    "seglst": lambda of: seglst(of.result, of.title),
    "quality": lambda of: quality_json(of.quality, of.people),
    "html": lambda of: html(of.result, of.layout, of.title, of.duration_s, of.provenance, of.quality, of.recording),
}
"""The formats, in the order in which `--help` lists them."""
ALL = ("srt", "vtt", "txt", "tsv", "json")
"""What WhisperX means by `all`."""
OTHER_EXTENSIONS = {
    "textgrid": "TextGrid",
    "maxqda": "maxqda.txt",
    "atlasti": "atlasti.txt",
    "nvivo": "nvivo.txt",
    "seglst": "seglst.json",
    "quality": "quality.json",
}
EXTENSIONS = {name: OTHER_EXTENSIONS.get(name, name) for name in ENCODERS}
"""The file extension of each format."""
NOTHING_KNOWN = Provenance()
UNKNOWN_RECORDING = Recording()


def encode(
    name: str,
    transcript: Transcript,
    diarization: Diarization | None,
    layout: Layout,
    title: str,
    duration_s: float,
    provenance: Provenance = NOTHING_KNOWN,
    quality: Quality | None = None,
    people: list[Match] | None = None,
    recording: Recording = UNKNOWN_RECORDING,
) -> bytes:
    """Encode an output in the named format; the same arguments give the same bytes.

    `transcript` is labelled with speakers already, if there is a `diarization`; `people` says who they are, for the
    format `quality`. `title` is one printable line.
    """
    result = {**transcript.result, "language": transcript.language}  # WhisperX's own may be wrong, or missing
    return ENCODERS[name](
        Material(result, diarization, layout, title, duration_s, provenance, quality, people, recording)
    )
