"""The page of a transcript: its paragraphs by speaker, words that are played from there, and doubts with reasons."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from tasks.formats.direction import is_right_to_left
from tasks.formats.documents.paragraphs import Paragraph, language_line, paragraphs, space_in
from tasks.formats.html.doubts import Doubt, Piece, mark, pieces_of
from tasks.formats.html.recording import Recording
from tasks.formats.provenance import Provenance
from tasks.formats.writers import Layout, Result
from tasks.pages.rendering import render
from tasks.quality.verdict import Quality, clock

COLOURS = 8
"""Speakers have so many colours, in the order in which they first speak."""


@dataclass(frozen=True)
class Block:
    """A paragraph on the page; `colour` is a number, None without a speaker."""

    paragraph: Paragraph
    pieces: list[Piece]
    colour: int | None

    @property
    def direction(self) -> str:
        """How its text runs."""
        return direction_of(self.paragraph.text)

    @property
    def clock(self) -> str:
        """When it begins."""
        return clock(self.paragraph.start)

    def runs(self) -> Iterator[tuple[tuple[Doubt, ...], list[Piece]]]:
        """Yield its pieces, joined where they have the same doubts."""
        for doubts, pieces in groupby(self.pieces, key=lambda piece: piece.doubts):
            yield doubts, list(pieces)


def html(
    result: Result,
    layout: Layout,
    title: str,
    duration_s: float,
    provenance: Provenance,
    quality: Quality | None,
    recording: Recording,
) -> bytes:
    """Return the page; it plays the recording from the disk, and loads nothing else."""
    blocks = list(_blocks(result))
    if blocks:
        blocks[-1].pieces.append(Piece("", "", duration_s, duration_s))  # what follows the last word has a place
    doubts = [Doubt(number, finding) for number, finding in enumerate(quality.findings if quality else (), start=1)]
    mark([piece for block in blocks for piece in block.pieces], doubts)
    return render(
        __package__,
        "transcript",
        title=title,
        language=result["language"],
        language_line=language_line(result["language"]),
        direction=direction_of(" ".join(block.paragraph.text for block in blocks)),
        clock=clock,
        length=clock(duration_s),
        speakers=len({block.paragraph.speaker for block in blocks} - {None}),
        quality=quality,
        doubts=doubts,
        blocks=blocks,
        recording=recording,
        provenance=provenance.lines() if "provenance" in layout else [],
    )


def _blocks(result: Result) -> Iterator[Block]:
    colours: dict[str, int] = {}
    space = space_in(result)
    for paragraph in paragraphs(result):
        pieces = [piece for segment in paragraph.segments for piece in pieces_of(segment, space)]
        speaker = paragraph.speaker
        yield Block(paragraph, pieces, colours.setdefault(speaker, len(colours) % COLOURS) if speaker else None)


def direction_of(text: str) -> str:
    """Return how a text runs, as HTML names it."""
    return "rtl" if is_right_to_left(text) else "ltr"
