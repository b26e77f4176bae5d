"""EAF, ELAN's annotations: a tier for each speaker, and below it one with the words."""

import os
from bisect import bisect_right
from collections import defaultdict
from mimetypes import guess_type
from xml.etree import ElementTree as ET

from tasks.formats.intervals import SHORTEST_S, Interval, in_a_row, words_of
from tasks.formats.provenance import Provenance
from tasks.formats.writers import Layout, Result
from tasks.formats.xml_text import add, document

SCHEMA = {
    "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
    "xsi:noNamespaceSchemaLocation": "http://www.mpi.nl/tools/elan/EAFv3.0.xsd",
    "FORMAT": "3.0",
    "VERSION": "3.0",
    "AUTHOR": "whisperx-batch",
}
NEVER = "1980-01-01"
"""The date where the recording has none: the same transcript gives the same bytes, whenever it is written."""
INSIDE = "Included_In"
"""ELAN's constraint on tiers of which each annotation lies inside one of the parent's."""


def eaf(result: Result, layout: Layout, provenance: Provenance) -> bytes:
    """Return the document: what each speaker says, and the words inside it, without overlaps in a tier."""
    root = ET.Element("ANNOTATION_DOCUMENT", {**SCHEMA, "DATE": f"{provenance.source_date or NEVER}T00:00:00Z"})
    _add_header(root, provenance, shown="provenance" in layout)
    order = add(root, "TIME_ORDER")
    said: dict[str, list[Interval]] = defaultdict(list)
    words: dict[str, list[Interval]] = defaultdict(list)
    for segment in result["segments"]:
        speaker = segment.get("speaker", "segments")
        said[speaker].append(_in_milliseconds(segment["start"], segment["end"], segment["text"].strip()))
        if segment.get("words"):
            words[speaker] += [_in_milliseconds(*word) for word in words_of(segment)]
    slots: list[tuple[int, ET.Element, str]] = []
    for speaker in said or {"segments": []}:
        row = in_a_row(said[speaker])
        slots += _add_tier(root, speaker, speaker, row, {"LINGUISTIC_TYPE_REF": "speech"})
        parent = {"LINGUISTIC_TYPE_REF": "words", "PARENT_REF": speaker}
        slots += _add_tier(root, f"{speaker} words", speaker, _inside(words[speaker], row), parent)
    for number, (time, annotation, reference) in enumerate(sorted(slots, key=lambda slot: slot[0]), start=1):
        add(order, "TIME_SLOT", TIME_SLOT_ID=f"ts{number}", TIME_VALUE=str(time))
        annotation.set(reference, f"ts{number}")
    for number, annotation in enumerate(root.iter("ALIGNABLE_ANNOTATION"), start=1):
        annotation.set("ANNOTATION_ID", f"a{number}")
    types = {"GRAPHIC_REFERENCES": "false", "TIME_ALIGNABLE": "true"}
    add(root, "LINGUISTIC_TYPE", LINGUISTIC_TYPE_ID="speech", **types)
    add(root, "LINGUISTIC_TYPE", LINGUISTIC_TYPE_ID="words", CONSTRAINTS=INSIDE, **types)
    add(root, "CONSTRAINT", STEREOTYPE=INSIDE, DESCRIPTION="Annotations inside those of the parent tier, with gaps")
    ET.indent(root)
    return document(root)


def _add_header(root: ET.Element, provenance: Provenance, *, shown: bool) -> None:
    header = add(root, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    if provenance.source:
        # ELAN looks for it beside the document, and asks where it is.
        media = f"./{os.path.basename(provenance.source)}"
        kind = guess_type(media)[0] or "unknown"
        add(header, "MEDIA_DESCRIPTOR", MEDIA_URL=media, RELATIVE_MEDIA_URL=media, MIME_TYPE=kind)
    for name, value in provenance.items().items() if shown else ():
        add(header, "PROPERTY", value, NAME=name)


def _add_tier(
    root: ET.Element, name: str, speaker: str, row: list[Interval], attributes: dict[str, str]
) -> list[tuple[int, ET.Element, str]]:
    """Add a tier and return the times, in milliseconds, that its annotations refer to by the named attribute."""
    tier = add(root, "TIER", TIER_ID=name, PARTICIPANT=speaker, **attributes)
    slots = []
    for start, end, text in row:
        annotation = add(add(tier, "ANNOTATION"), "ALIGNABLE_ANNOTATION")
        add(annotation, "ANNOTATION_VALUE", text)
        slots.append((round(1000 * start), annotation, "TIME_SLOT_REF1"))
        slots.append((round(1000 * end), annotation, "TIME_SLOT_REF2"))
    return slots


def _in_milliseconds(start: float, end: float, text: str) -> Interval:
    return round(start, 3), round(end, 3), text


def _inside(words: list[Interval], parents: list[Interval]) -> list[Interval]:
    """Return words without overlaps, each cut to the parent that it begins in."""
    starts = [parent[0] for parent in parents]
    inside: dict[int, list[Interval]] = defaultdict(list)
    for start, end, text in words:
        number = max(bisect_right(starts, start) - 1, 0)
        first, last, _ = parents[number]
        begin = min(max(start, first), last - SHORTEST_S)
        inside[number].append((begin, max(min(end, last), begin + SHORTEST_S), text))
    return [word for number in sorted(inside) for word in in_a_row(inside[number])]
