"""ASS, Advanced SubStation: the cues of the other subtitles, each speaker in a style and colour of their own."""

from itertools import cycle, groupby
from typing import Any

from pysubs2 import Color, SSAEvent, SSAFile, SSAStyle

from tasks.formats.direction import embedded
from tasks.formats.writers import CompleteSubtitles, Layout, Result

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


class _Milliseconds(CompleteSubtitles):
    def format_timestamp(self, seconds: float) -> int:
        return round(1000 * seconds)


def ass(result: Result, layout: Layout, title: str) -> bytes:
    """Return the subtitles; no cue holds the words of two speakers. Times from ten hours on are beyond the format."""
    file = SSAFile()
    file.info |= {"Title": title, "PlayResX": "1920", "PlayResY": "1080"}
    speakers = list(dict.fromkeys(segment.get("speaker") for segment in result["segments"]))
    names = [_field(speaker) for speaker in speakers if speaker]
    file.styles = {"Default": _style(WHITE)}
    file.styles |= {name: _style(colour) for name, colour in zip(names, cycle(COLOURS), strict=False)}
    for speaker, segments in groupby(result["segments"], key=lambda segment: segment.get("speaker")):
        unlabelled = {**result, "segments": [_without_speaker(segment) for segment in segments]}
        name = _field(speaker or "")
        file.events += [
            SSAEvent(start, end, _text(text), style=name or "Default", name=name)
            for start, end, text in _Milliseconds("").iterate_result(unlabelled, layout)
        ]
    return file.to_string("ass").encode()


def _style(colour: Color) -> SSAStyle:
    """Return a style whose sizes are pixels of the 1080 lines."""
    return SSAStyle(fontsize=64, primarycolor=colour, outline=3, shadow=0, marginl=96, marginr=96, marginv=48)


def _without_speaker(segment: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in segment.items() if key != "speaker"}


def _field(name: str) -> str:
    """Return a name as the fields before the text may hold it: commas separate them."""
    return name.replace(",", ";")


def _text(cue: str) -> str:
    r"""Return a cue in ASS: what is between braces would not be shown, and `\n` would break the line."""
    plain = embedded(cue.replace(" \n", "\n")).replace("\\", "\\\N{WORD JOINER}").replace("{", "(").replace("}", ")")
    return plain.replace("\n", r"\N").replace("<u>", r"{\u1}").replace("</u>", r"{\u0}")
