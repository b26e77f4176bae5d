"""Where a transcript comes from: in every format that has room for it, and in the properties of a document."""

import json
from datetime import UTC, date, datetime
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import webvtt
import yaml
from cue_readers import cues_of
from docx import Document
from docx.oxml.ns import qn
from docx.shared import Mm
from pympi import Eaf
from pysubs2 import SSAFile
from transcripts import PLAIN, SEGMENTS, ours, segment

from tasks.audio.types import AudioFile
from tasks.formats import ENCODERS
from tasks.formats.provenance import Provenance
from tasks.storage.outputs import OutputPath
from tasks.transcribe import Transcript
from tasks.write import WriteOptions, write

WITH = {**PLAIN, "provenance": True}
MADE = Provenance(
    "talks/é --> \n1.wav",
    date(2026, 3, 4),
    "org/large: v3",
    "some/aligner",
    {"language": "de", "initial_prompt": 'a "b"'},
)
ITEMS = {
    "source": "talks/é --> 1.wav",
    "source_date": "2026-03-04",
    "model": "org/large: v3",
    "words_timed_by": "some/aligner",
    "options": 'language=de, initial_prompt=a "b"',
}


def made(name: str) -> bytes:
    """Return an output that says where it comes from."""
    return ours(name, SEGMENTS, WITH, provenance=MADE)


def same(items: dict[str, Any]) -> bool:
    """Return whether these are what is known, with the releases that made it."""
    return items.pop("program").startswith("whisperx-batch ") and items == ITEMS


def test_formats_say_where_they_come_from(tmp_path: Path) -> None:
    """As their own parsers find it: front matter in YAML, a key in JSON, properties in ELAN, a NOTE, metadata."""
    assert same(yaml.safe_load(made("md").decode().split("---\n")[1]))
    assert same(json.loads(made("json"))["provenance"])
    (tmp_path / "a.eaf").write_bytes(made("eaf"))
    assert same(dict(Eaf(str(tmp_path / "a.eaf")).get_properties()))
    lines = MADE.lines()
    assert lines[:2] == ["Source: talks/é --> 1.wav", "Source date: 2026-03-04"]
    described = ET.fromstring(made("ttml")).findtext(".//{http://www.w3.org/ns/ttml#metadata}desc")
    assert described == "\n".join(lines)
    assert SSAFile.from_string(made("ass").decode()).info["Original Script"] == "; ".join(lines)
    assert "\n\nNOTE\nSource: talks/é -> 1.wav\nSource date: 2026-03-04\n" in made("vtt").decode()
    paragraphs = [each.text for each in Document(BytesIO(made("docx"))).paragraphs]
    assert paragraphs[2 : 2 + len(lines)] == lines


@pytest.mark.parametrize("name", ["vtt", "ass", "ttml"])
def test_what_players_show_is_the_same(name: str) -> None:
    """The header is for those who look for it."""
    if name == "ttml":
        without, with_it = (ET.fromstring(each).find("{*}body") for each in (ours(name, SEGMENTS), made(name)))
        assert ET.tostring(without) == ET.tostring(with_it)  # type: ignore[arg-type]
        return
    assert cues_of(name, made(name)) == cues_of(name, ours(name, SEGMENTS))
    if name == "vtt":
        assert len(webvtt.from_buffer(StringIO(made(name).decode()))) == 3


def plain(name: str) -> bytes:
    """Return an output of which nothing more is known."""
    return ours(name, SEGMENTS)


def known(name: str) -> bytes:
    """Return an output of which all is known, and that need not say so."""
    return ours(name, SEGMENTS, provenance=MADE)


@pytest.mark.parametrize("name", ENCODERS)
def test_nothing_is_added_unasked(name: str) -> None:
    """Only a document's properties and an ELAN document's date and recording, which nobody sees in the text."""
    if name == "docx":
        without, with_it = (Document(BytesIO(each)).element.xml for each in (plain(name), known(name)))
        assert without == with_it
    elif name == "eaf":
        assert b"org/large" not in known(name)
    else:
        assert known(name) == plain(name)


def test_a_document_has_its_recording_model_and_day_as_properties() -> None:
    """Which programs list and archives index."""
    properties = Document(BytesIO(ours("docx", SEGMENTS, provenance=MADE, title="a talk"))).core_properties
    assert (properties.title, properties.language, properties.author) == ("a talk", "en", "whisperx-batch")
    assert "".join(properties.subject.split()) == "".join(MADE.source.split())
    assert properties.comments == "Transcribed with org/large: v3"
    assert properties.created == datetime(2026, 3, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("locale", "size"),
    [
        ({"LANG": "en_US.UTF-8"}, (215.9, 279.4)),
        ({"LANG": "de_DE.UTF-8"}, (210, 297)),
        ({"LANG": "en_US.UTF-8", "LC_PAPER": "en_GB.UTF-8"}, (210, 297)),
        ({"LANG": "de_DE.UTF-8", "LC_ALL": "es_MX.UTF-8"}, (215.9, 279.4)),
        ({"LANG": "C.UTF-8"}, (210, 297)),
        ({}, (210, 297)),
    ],
)
def test_a_document_has_the_paper_of_the_locale_and_numbers_its_pages(
    monkeypatch: pytest.MonkeyPatch, locale: dict[str, str], size: tuple[float, float]
) -> None:
    """Letter in North America and some countries beside it, else A4."""
    for name in ("LC_ALL", "LC_PAPER", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in locale.items():
        monkeypatch.setenv(name, value)
    (section,) = Document(BytesIO(ours("docx", SEGMENTS))).sections
    lengths = [section.page_width, section.page_height]
    assert all(abs(found - Mm(wanted)) < Mm(0.1) for found, wanted in zip(lengths, size, strict=True))  # type: ignore[operator]
    (field,) = section.footer._element.iter(qn("w:fldSimple"))
    assert field.get(qn("w:instr")) == "PAGE"


def test_a_title_from_right_to_left_says_so() -> None:
    """As its paragraphs do; the line with the language, which is English, does not."""
    document = Document(BytesIO(ours("docx", [segment(0, 1, "שלום!", words=[])], language="he", title="שיחה")))
    assert [p._p.find(f".//{qn('w:bidi')}") is not None for p in document.paragraphs] == [True, False, True]


def test_the_day_is_that_of_the_recording(tmp_path: Path) -> None:
    """So that the same file is written whenever it is made; an object's day in a store is not known."""
    transcript = Transcript("en", {"segments": SEGMENTS}, aligned_by="whisper")
    options = WriteOptions(output_format="json", provenance=True)
    stamp = int(datetime(2026, 3, 4, 12, tzinfo=UTC).timestamp() * 1e9)
    found = []
    for path in ("/in/a.wav", "s3://in/a.wav"):
        file = AudioFile(path, "b/a.wav", 7.0, size=1, mtime_ns=stamp)
        write.fn(
            file,
            OutputPath(str(tmp_path), "", "a.{format}"),
            transcript,
            None,
            options,
            None,
            None,
            Provenance(model="/home/jane/models/m/"),
        )
        found.append(json.loads((tmp_path / "a.json").read_text())["provenance"])
    assert [each.get("source_date") for each in found] == ["2026-03-04", None]
    assert [found[0][name] for name in ("source", "model", "words_timed_by")] == ["b/a.wav", "m", "whisper"]
