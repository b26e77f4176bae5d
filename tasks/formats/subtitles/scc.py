"""SCC, Scenarist's closed captions: CEA-608 pop-on captions as hexadecimal words, at 29.97 frames a second, drop-frame.

Codes and limits are those of 47 CFR 15.119 and ANSI/CTA-608: two bytes for each frame, lines of 32 characters.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from fractions import Fraction
from itertools import accumulate
from unicodedata import combining, normalize

from tasks.errors import FileFault
from tasks.formats.subtitles.cues import Cue
from tasks.formats.writers import Layout, Result

FPS = Fraction(30_000, 1001)
WIDTH = 32
RESUME_LOADING, CLEAR_LOADED, CLEAR_SHOWN, SHOW = 0x1420, 0x142E, 0x142C, 0x142F
ROWS = (0x1340, 0x1360, 0x1440, 0x1460)
"""Codes that begin the rows 12 to 15, the bottom ones, at the left, in white."""
INDENT = 0x10
"""Added to a row's code with twice the number of steps of four columns."""
TAB = 0x1720
"""Moves by the number of columns, from 1 to 3, that is added."""
BASIC = {chr(code): code for code in range(0x20, 0x7F) if chr(code) not in "*\\^_`{|}~"}
BASIC |= dict(zip("áéíóúç÷Ññ█", bytes.fromhex("2a5c5e5f607b7c7d7e7f"), strict=True))
SPECIAL = dict(zip("®°½¿™¢£♪à\N{NO-BREAK SPACE}èâêîôû", range(0x1130, 0x1140), strict=True))
EXTENDED = dict(zip("ÁÉÓÚÜü‘¡*\0—©℠•“”ÀÂÇÈÊËëÎÏïÔÙùÛ«»", range(0x1220, 0x1240), strict=True)) | dict(
    zip("ÃãÍÌìÒòÕõ{}\\^_|~ÄäÖöß¥¤│ÅåØø┌┐└┘", range(0x1320, 0x1340), strict=True)
)
"""Characters that replace the one before them, which is what decoders without them show."""
LOOKS_LIKE = {
    "’": "'",
    "‚": ",",
    "„": '"',
    "…": "...",
    "–": "-",
    "‐": "-",
    "−": "-",
    "\N{NON-BREAKING HYPHEN}": "-",
    "×": "x",
    "€": "EUR",
    "♫": "♪",
    "œ": "oe",
    "Œ": "OE",
    "æ": "ae",
    "Æ": "AE",
    "ł": "l",
    "Ł": "L",
    "`": "'",
}
FRACTION = re.compile(r"(?<=\d)(?=[¼¾⅐-⅞])")
"""Before one that is written out: 1¾ is 1 3/4."""
KNOWN = BASIC.keys() | SPECIAL.keys() | EXTENDED.keys() - {"\0"}
UNKNOWN = "█"
MOST_UNKNOWN = 0.05
"""A transcript in which more than this share of the characters is missing from captions is refused."""


class NotInCaptions(FileFault):
    """The transcript is written in letters that closed captions do not have."""


Unit = list[int]
"""Words that nothing may come between: codes are sent twice, for decoders that missed the first."""


def in_captions(result: Result) -> Result:
    """Return a transcript in the characters of captions. Raises NotInCaptions if too many of its own are not there."""
    segments = [
        {
            **segment,
            "text": _known(segment["text"]),
            "words": [{**word, "word": _known(word["word"])} for word in segment.get("words") or []],
            **({"speaker": _known(segment["speaker"])} if "speaker" in segment else {}),
        }
        for segment in result["segments"]
    ]
    text = "".join(segment["text"] for segment in segments)
    if text.count(UNKNOWN) > MOST_UNKNOWN * len(text):
        raise NotInCaptions(
            f"scc holds Western European letters, and this transcript ({result['language']}) has others: leave scc out "
            "of --output_format, or use ttml"
        )
    return {**result, "segments": segments}


def scc(cues: list[Cue], layout: Layout) -> bytes:
    """Return cues in the characters of captions, at the bottom, centred.

    A caption is sent before it is shown, and takes a frame for two characters: one that follows the last too closely
    is shown some frames late.
    """
    labelled = layout.get("speaker_labels") != "none"
    texts = [f"{cue.label.replace('…', '.') if labelled else ''}{cue.text}".split("\n") for cue in cues]
    captions = [(_frame(cue.start), _frame(cue.end), _load(text)) for cue, text in zip(cues, texts, strict=True)]
    blocks = [f"{_timecode(start)}\t{' '.join(map(_hexadecimal, words))}\n\n" for start, words in _stream(captions)]
    return ("Scenarist_SCC V1.0\n\n" + "".join(blocks)).encode()


def _known(text: str) -> str:
    """Return a text in the characters of captions: letters without accents that captions do not have, and UNKNOWN."""

    def alike(character: str) -> str:
        parts = normalize("NFKD", character).replace("\N{FRACTION SLASH}", "/")
        plain = LOOKS_LIKE.get(character) or "".join(part for part in parts if not combining(part))
        return plain if plain and KNOWN.issuperset(plain) else UNKNOWN

    text = FRACTION.sub(" ", normalize("NFC", text))
    return "".join(each if each in KNOWN else alike(each) for each in text)


def _load(lines: list[str]) -> list[Unit]:
    """Return what loads and then shows a caption."""
    units = [[RESUME_LOADING] * 2, [CLEAR_LOADED] * 2]
    for row, line in zip(ROWS[-len(lines) :], lines, strict=True):
        steps, tab = divmod((WIDTH - len(line)) // 2, 4)
        units.append([row + INDENT + 2 * steps] * 2)
        if tab:
            units.append([TAB + tab] * 2)
        units += _characters(line)
    return [*units, [SHOW] * 2]


def _characters(line: str) -> Iterator[Unit]:
    """Yield two basic characters a word, and codes for others, of which extended ones follow what they replace."""
    waiting = 0
    for character in line:
        code = SPECIAL.get(character) or EXTENDED.get(character)
        if character not in SPECIAL:
            basic = BASIC.get(character) or BASIC.get(normalize("NFKD", character)[0], ord(" "))
            if waiting:
                yield [waiting << 8 | basic]
            waiting = 0 if waiting else basic
        if code:
            if waiting:
                yield [waiting << 8]
            waiting = 0
            yield [code] * 2
    if waiting:
        yield [waiting << 8]


def _stream(captions: list[tuple[int, int, list[Unit]]]) -> Iterator[tuple[int, list[int]]]:
    """Yield words, and the frame that the first of them is sent in; none is sent while another is."""
    free, clear_at = 0, None
    for start, end, units in captions:
        begin, sent = max(start - sum(map(len, units)) + 2, free), units
        if clear_at is not None and clear_at + 2 <= begin:
            yield clear_at, [CLEAR_SHOWN] * 2
        elif clear_at is not None:
            # The last caption ends while this one is being loaded.
            begin = max(begin - 2, free)
            sent = _with_clearing(units, clear_at - begin)
        words = [word for unit in sent for word in unit]
        yield begin, words
        free = begin + len(words)
        clear_at = max(end, free)
    if clear_at is not None:
        yield clear_at, [CLEAR_SHOWN] * 2


def _with_clearing(units: list[Unit], after: int) -> list[Unit]:
    """Return the units with the code that clears the screen after so many words, but before the next is shown."""
    sent = list(accumulate(map(len, units), initial=0))
    place = min(bisect_left(sent, after), len(units) - 1)
    return [*units[:place], [CLEAR_SHOWN] * 2, *units[place:]]


def _frame(milliseconds: int) -> int:
    return round(milliseconds * FPS / 1000)


def _timecode(frame: int) -> str:
    """Return SMPTE drop-frame time code: the numbers 0 and 1 are left out in minutes that are no multiple of ten."""
    tens, rest = divmod(frame, 17_982)
    frame += 18 * tens + 2 * max((rest - 2) // 1798, 0)
    seconds = frame // 30
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02};{frame % 30:02}"


def _hexadecimal(word: int) -> str:
    """Return a word with the parity bit of each byte."""
    return "".join(f"{byte | (0 if byte.bit_count() % 2 else 0x80):02x}" for byte in divmod(word, 256))
