"""DOCX, a document for Word and LibreOffice."""

import re
from datetime import datetime
from io import BytesIO
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from docx import Document
from docx.oxml import OxmlElement
from docx.oxml.ns import qn

from tasks.formats.direction import is_right_to_left
from tasks.formats.paragraphs import language_line, paragraphs
from tasks.formats.writers import Result

NEVER = datetime(1980, 1, 1)  # noqa: DTZ001 - python-docx takes none with a zone
"""The earliest time that ZIP holds: the same transcript gives the same bytes, whenever it is written."""


def docx(result: Result, title: str) -> bytes:
    """Return the document: a title, the language, and the paragraphs."""
    document = Document()
    properties = document.core_properties
    properties.title, properties.language = _valid(title), result["language"]
    properties.author, properties.comments = "whisperx-batch", ""
    properties.created = properties.modified = NEVER
    for language in document.styles.element.iter(qn("w:lang")):
        language.set(qn("w:val"), result["language"])  # which a spelling checker uses
    document.add_heading(_valid(title), 0)
    document.add_paragraph(language_line(result["language"]))
    for each in paragraphs(result):
        paragraph = document.add_paragraph()
        paragraph.add_run(_valid(each.heading)).bold = True
        text = paragraph.add_run(_valid(f" {each.text}"))
        if is_right_to_left(each.text):
            # The paragraph begins at the right; without the mark on the run its punctuation would go astray.
            paragraph._p.get_or_add_pPr().append(OxmlElement("w:bidi"))  # noqa: SLF001 - python-docx has no name for it
            text.font.rtl = True
            text._r.get_or_add_rPr().append(_spelling(result["language"]))  # noqa: SLF001 - nor for this
    made = BytesIO()
    document.save(made)
    return _without_times(made)


def _spelling(language: str) -> Any:
    element = OxmlElement("w:lang")
    element.set(qn("w:bidi"), language)
    return element


def _valid(text: str) -> str:
    """Return the text without the control characters that XML cannot hold."""
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "\N{REPLACEMENT CHARACTER}", text)


def _without_times(made: BytesIO) -> bytes:
    fixed = BytesIO()
    with ZipFile(made) as parts, ZipFile(fixed, "w") as archive:
        for name in parts.namelist():
            archive.writestr(ZipInfo(name, NEVER.timetuple()[:6]), parts.read(name), ZIP_DEFLATED)
    return fixed.getvalue()
