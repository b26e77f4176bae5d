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

    annotation = Annotation(uri=recording_id(title))
    for track, (start, end, speaker) in enumerate(diarization.turns):
        annotation[Segment(start, end), track] = recording_id(speaker)
    lines: str = annotation.to_rttm()
    return lines.encode()


def recording_id(name: str) -> str:
    """Return a name as a field of formats that separate their fields by white space."""
    return re.sub(r"\s", "_", name)
