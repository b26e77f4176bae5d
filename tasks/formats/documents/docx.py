"""DOCX, a document for Word and LibreOffice."""

from datetime import datetime
from io import BytesIO
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from docx import Document
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Mm

from tasks.formats.direction import is_right_to_left
from tasks.formats.documents.paper import paper_mm
from tasks.formats.documents.paragraphs import language_line, paragraphs
from tasks.formats.provenance import Provenance
from tasks.formats.writers import Layout, Result
from tasks.formats.xml_text import valid

NEVER = datetime(1980, 1, 1)  # noqa: DTZ001 - python-docx takes none with a zone
"""The earliest time that ZIP holds: the same transcript gives the same bytes, whenever it is written."""
LONGEST_PROPERTY = 255
"""Characters of a property, in python-docx and Word."""


def docx(result: Result, layout: Layout, title: str, provenance: Provenance) -> bytes:
    """Return the document: a title, the language, the paragraphs, and numbers on its pages.

    Its properties have the recording, the day that it was last changed, and the model.
    """
    document = Document()
    _set_page(document.sections[0])
    _set_properties(document, result["language"], title, provenance)
    _add(document.add_heading("", 0), title)
    document.add_paragraph(language_line(result["language"]))
    for line in provenance.lines() if "provenance" in layout else ():
        document.add_paragraph(valid(line))
    for each in paragraphs(result):
        paragraph = document.add_paragraph()
        paragraph.add_run(valid(each.heading)).bold = True
        text = _add(paragraph, f" {each.text}")
        if is_right_to_left(each.text):
            text._r.get_or_add_rPr().append(_element("w:lang", bidi=result["language"]))  # noqa: SLF001 - no name for it
    made = BytesIO()
    document.save(made)
    return _without_times(made)


def _add(paragraph: Any, text: str) -> Any:
    """Add a run to a paragraph, which goes from right to left if the text does."""
    run = paragraph.add_run(valid(text))
    if is_right_to_left(text):
        # The paragraph begins at the right; without the mark on the run its punctuation would go astray.
        paragraph._p.get_or_add_pPr().append(OxmlElement("w:bidi"))  # noqa: SLF001 - python-docx has no name for it
        run.font.rtl = True
    return run


def _set_page(section: Any) -> None:
    """Set the size of the paper and put the page's number below, which the program that opens it fills in."""
    section.page_width, section.page_height = (Mm(length) for length in paper_mm())
    footer = section.footer.paragraphs[0]
    footer.alignment = WD_ALIGN_PARAGRAPH.CENTER
    footer._p.append(_element("w:fldSimple", instr="PAGE"))  # noqa: SLF001 - python-docx has no fields


def _set_properties(document: Any, language: str, title: str, provenance: Provenance) -> None:
    properties = document.core_properties
    properties.title, properties.language, properties.author = valid(title), language, "whisperx-batch"
    properties.subject = valid(provenance.source)[:LONGEST_PROPERTY]
    model = valid(provenance.model_name)
    properties.comments = f"Transcribed with {model}"[:LONGEST_PROPERTY] if model else ""
    day = provenance.source_date
    properties.created = properties.modified = max(NEVER, datetime(day.year, day.month, day.day)) if day else NEVER  # noqa: DTZ001
    for spelling in document.styles.element.iter(qn("w:lang")):
        spelling.set(qn("w:val"), language)  # which a spelling checker uses


def _element(name: str, **attributes: str) -> Any:
    element = OxmlElement(name)
    for key, value in attributes.items():
        element.set(qn(f"w:{key}"), value)
    return element


def _without_times(made: BytesIO) -> bytes:
    fixed = BytesIO()
    with ZipFile(made) as parts, ZipFile(fixed, "w") as archive:
        for name in parts.namelist():
            archive.writestr(ZipInfo(name, NEVER.timetuple()[:6]), parts.read(name), ZIP_DEFLATED)
    return fixed.getvalue()
