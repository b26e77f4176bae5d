"""ASS, Advanced SubStation: the cues of the other subtitles, each speaker in a style and colour of their own."""

from itertools import cycle

from pysubs2 import Color, SSAEvent, SSAFile, SSAStyle

from tasks.formats.direction import embedded
from tasks.formats.provenance import Provenance
from tasks.formats.subtitles.cues import Cue
from tasks.formats.writers import Layout

WHITE = Color(255, 255, 255)
COLOURS = (
    Color(240, 228, 66),
    Color(86, 180, 233),
    Color(230, 159, 0),
    Color(0, 158, 115),
    Color(204, 121, 167),
    Color(213, 94, 0),
)
"""Okabe and Ito's colours for the colour-blind, those that are light enough on a dark outline."""


def ass(cues: list[Cue], layout: Layout, title: str, provenance: Provenance) -> bytes:
    """Return the subtitles; no cue holds the words of two speakers. Times from ten hours on are beyond the format."""
    file = SSAFile()
    file.info |= {"Title": title, "PlayResX": "1920", "PlayResY": "1080"}
    if "provenance" in layout:
        file.info |= {"Original Script": "; ".join(provenance.lines())}
    unlabelled = layout.get("speaker_labels") == "none"
    named = [_field("" if unlabelled else cue.speaker or "") for cue in cues]
    names = [name for name in dict.fromkeys(named) if name]
    file.styles = {"Default": _style(WHITE)}
    file.styles |= {name: _style(colour) for name, colour in zip(names, cycle(COLOURS), strict=False)}
    file.events = [
        SSAEvent(cue.start, cue.end, _text(cue), style=name or "Default", name=name)
        for cue, name in zip(cues, named, strict=True)
    ]
    return file.to_string("ass").encode()


def _style(colour: Color) -> SSAStyle:
    """Return a style whose sizes are pixels of the 1080 lines."""
    return SSAStyle(fontsize=64, primarycolor=colour, outline=3, shadow=0, marginl=96, marginr=96, marginv=48)


def _field(name: str) -> str:
    """Return a name as the fields before the text may hold it: commas separate them."""
    return name.replace(",", ";")


def _text(cue: Cue) -> str:
    r"""Return a cue in ASS: what is between braces would not be shown, and `\n` would break the line."""
    text = embedded("\n".join(cue.lines))
    plain = text.replace("\\", "\\\N{WORD JOINER}").replace("{", "(").replace("}", ")")
    return plain.replace("\n", r"\N").replace("<u>", r"{\u1}").replace("</u>", r"{\u0}")
