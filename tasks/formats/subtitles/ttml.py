"""TTML in the IMSC 1.1 Text profile, for television, archives and platforms."""

import re
from xml.etree import ElementTree as ET

from tasks.formats.direction import is_right_to_left
from tasks.formats.provenance import Provenance
from tasks.formats.subtitles.cues import Cue
from tasks.formats.writers import Layout
from tasks.formats.xml_text import add, document, valid

NAMESPACES = {
    "xmlns": "http://www.w3.org/ns/ttml",
    "xmlns:ttm": "http://www.w3.org/ns/ttml#metadata",
    "xmlns:ttp": "http://www.w3.org/ns/ttml#parameter",
    "xmlns:tts": "http://www.w3.org/ns/ttml#styling",
}
IMSC = "http://www.w3.org/ns/ttml/profile/imsc1.1/text"


def ttml(cues: list[Cue], language: str, layout: Layout, title: str, provenance: Provenance) -> bytes:
    """Return the cues at the bottom of the picture; speakers are `ttm:agent`s, unless no labels are wanted."""
    labels = layout.get("speaker_labels")
    root = ET.Element("tt", {**NAMESPACES, "ttp:contentProfiles": IMSC, "xml:lang": language})
    names = dict.fromkeys(cue.speaker for cue in cues if cue.speaker is not None and labels != "none")
    agents = {name: f"speaker{number}" for number, name in enumerate(names, start=1)}
    _head(root, agents, title, provenance if "provenance" in layout else None)
    div = add(add(root, "body", region="bottom", style="text"), "div")
    for cue in cues:
        p = add(div, "p", begin=_clock(cue.start), end=_clock(cue.end))
        if cue.speaker in agents:
            p.set("ttm:agent", agents[cue.speaker])
        if is_right_to_left(cue.text):
            p.set("tts:direction", "rtl")
        _add_lines(p, cue.lines, "" if labels else cue.label)
        p.tail = "\n"  # the rest is not indented: white space counts in a line
    return document(root)


def _head(root: ET.Element, agents: dict[str, str], title: str, provenance: Provenance | None) -> None:
    head = add(root, "head")
    metadata = add(head, "metadata")
    add(metadata, "ttm:title", title)
    if provenance:
        add(metadata, "ttm:desc", "\n".join(provenance.lines()))
    for name, identifier in agents.items():
        agent = add(metadata, "ttm:agent", xml__id=identifier, type="person")
        add(agent, "ttm:name", name, type="full")
    style = {"tts__fontFamily": "proportionalSansSerif", "tts__textAlign": "center", "tts__color": "white"}
    add(add(head, "styling"), "style", xml__id="text", tts__textOutline="black 5%", **style)
    place = {"tts__origin": "10% 10%", "tts__extent": "80% 80%", "tts__displayAlign": "after"}
    add(add(head, "layout"), "region", xml__id="bottom", **place)


def _add_lines(p: ET.Element, lines: list[str], label: str) -> None:
    """Add text with line breaks and underlined words."""
    p.text = valid(label)
    last: ET.Element | None = None
    for part in re.split(r"(\n|<u>.*?</u>)", "\n".join(lines)):
        if part == "\n":
            last = add(p, "br")
        elif part.startswith("<u>"):
            last = add(p, "span", part[3:-4], tts__textDecoration="underline")
        elif last is None:
            p.text += valid(part)
        else:
            last.tail = valid(part)


def _clock(milliseconds: int) -> str:
    seconds, thousandths = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{thousandths:03}"
