"""RTTM, NIST's Rich Transcription Time Marked: a line for each speaker turn of the diarization."""

import re

from tasks.diarize import Diarization


def rttm(diarization: Diarization | None, title: str) -> bytes:
    """Return the turns, in order of time, of the file with the id `title`; none without diarization.

    The format parts its fields by white space, and has no other use for it: in names it becomes an underscore.
    """
    if diarization is None:
        return b""
    from pyannote.core import Annotation, Segment

    annotation = Annotation(uri=_field(title))
    for track, (start, end, speaker) in enumerate(diarization.turns):
        annotation[Segment(start, end), track] = _field(speaker)
    lines: str = annotation.to_rttm()
    return lines.encode()


def _field(name: str) -> str:
    return re.sub(r"\s", "_", name)
