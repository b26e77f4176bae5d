"""Transcripts as programs for qualitative analysis import them: paragraphs of one speaker, joined to the recording."""

import csv
from io import StringIO

from tasks.formats.documents.paragraphs import paragraphs
from tasks.formats.writers import Result

LONGEST_NAME = 63
"""MAXQDA takes what stands before a colon for a speaker's name up to this length."""


def f4(result: Result) -> bytes:
    """Return the layout of f4transkript, which MAXQDA ("Focus Group Transcripts") and ATLAS.ti import.

    A paragraph begins with the speaker's name and a colon, and ends with the time at which it ends: `#00:01:02-3#`.
    """
    blocks = []
    for each in paragraphs(result):
        name = f"{each.speaker.replace(':', ' ')[:LONGEST_NAME]}: " if each.speaker else ""
        blocks.append(f"{name}{_line(each.text)} #{_clock(each.end, '-')}#\n")
    return "\n".join(blocks).encode("utf-8-sig")


def nvivo(result: Result) -> bytes:
    """Return the table that NVivo imports into a recording ("Import transcript", tab-delimited, with a header row)."""
    file = StringIO()
    table = csv.writer(file, dialect="excel-tab", quoting=csv.QUOTE_NONE, quotechar=None)
    table.writerow(["Timespan", "Speaker", "Content"])
    for each in paragraphs(result):
        timespan = f"{_clock(each.start, '.')} - {_clock(each.end, '.')}"
        table.writerow([timespan, _line(each.speaker or ""), _line(each.text)])
    return file.getvalue().encode("utf-8-sig")


def _line(text: str) -> str:
    return " ".join(text.split())


def _clock(seconds: float, marker: str) -> str:
    """Return a time to the tenth of a second, as these programs count."""
    whole, tenth = divmod(round(10 * seconds), 10)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{marker}{tenth}"
