"""Reads the line formats of NIST: STM (segments), CTM (words) and RTTM (speaker turns)."""

import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from flows.evaluation.transcripts.recording import Recording, Segment, Turn, in_order
from tasks.errors import InvalidInput

PAUSE_S = 1.0
"""Words of a CTM with a longer silence between them are taken for two segments."""
UNSCORED = ("inter_segment_gap", "ignore_time_segment_in_scoring")
"""Speaker and text of the lines in an STM that mark what is not transcribed."""
ALTERNATIVES = ("<ALT_BEGIN>", "<ALT>", "<ALT_END>")
"""Around, and between, words of a CTM of which either may have been said; the first is taken."""
CTM_TYPE, CTM_SPEAKER = 6, 7
"""Columns that CTM files of speech-to-text evaluations have after the confidence."""


def read_stm(content: str) -> dict[str | None, Recording]:
    """Read `recording channel speaker start end [<label>] text`, by recording. Raises InvalidInput."""
    found: defaultdict[str | None, list[Segment]] = defaultdict(list)
    for number, line in _lines(content):
        fields = line.split(maxsplit=5)
        text = _first_alternatives(re.sub(r"^<[^>]*>", "", fields[5])) if len(fields) > 5 else ""  # noqa: PLR2004
        start, end = _times(number, fields, 3, "recording channel speaker start end text")
        if not {fields[2].lower(), text.lower()} & {*UNSCORED}:
            found[fields[0]].append(Segment(text, start, end, fields[2]))
    return {name: Recording(in_order(segments)) for name, segments in found.items()}


def read_ctm(content: str) -> dict[str | None, Recording]:
    """Read `recording channel start duration word [confidence [type speaker]]`, by recording. Raises InvalidInput."""
    found: defaultdict[str | None, list[Segment]] = defaultdict(list)
    alternative = False
    for number, line in _lines(content):
        fields = line.split()
        if fields[-1] in ALTERNATIVES:
            alternative = fields[-1] == "<ALT>"
        if alternative or fields[-1] in ALTERNATIVES:
            continue
        start, duration = _times(number, fields, 2, "recording channel start duration word")
        if len(fields) <= 4:  # noqa: PLR2004, the word
            raise InvalidInput(f"line {number}: there is no word after the times")
        if len(fields) > CTM_TYPE and fields[CTM_TYPE].lower() != "lex":
            continue
        speaker = fields[CTM_SPEAKER] if len(fields) > CTM_SPEAKER else None
        found[fields[0]].append(Segment(fields[4], start, start + duration, speaker))
    return {name: Recording(in_order(list(_joined(words)))) for name, words in found.items()}


def read_rttm(content: str) -> dict[str | None, Recording]:
    """Read `SPEAKER recording channel start duration <NA> <NA> speaker`, by recording. Raises InvalidInput."""
    found: defaultdict[str | None, list[Turn]] = defaultdict(list)
    for number, line in _lines(content):
        fields = line.split()
        if fields[0] != "SPEAKER":
            continue
        start, duration = _times(number, fields, 3, "SPEAKER recording channel start duration <NA> <NA> speaker")
        if len(fields) <= 7:  # noqa: PLR2004, the speaker
            raise InvalidInput(f"line {number}: there is no speaker in the eighth field")
        found[fields[1]].append(Turn(start, start + duration, fields[7]))
    if not found and content.strip():
        raise InvalidInput("there is no line in it that begins with SPEAKER")
    return {name: Recording(turns=tuple(sorted(turns))) for name, turns in found.items()}


def _lines(content: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not empty and not comments, with their numbers from 1."""
    for number, line in enumerate(content.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith(";"):
            yield number, line


def _times(number: int, fields: list[str], first: int, layout: str) -> tuple[float, float]:
    """Return the two times from this field on; raise InvalidInput with the `layout` that the line should have."""
    try:
        return float(fields[first]), float(fields[first + 1])
    except (IndexError, ValueError):
        raise InvalidInput(f"line {number}: {' '.join(fields)[:80]!r} is not {layout!r}") from None


def _first_alternatives(text: str) -> str:
    """Return a text of an STM with the first of `{ these / words }`, of which @ is nothing."""
    return " ".join(word for word in re.sub(r"\{([^/}]*)(?:/[^}]*)?\}", r"\1", text).split() if word != "@")


def _joined(words: list[Segment]) -> Iterator[Segment]:
    """Join the words that a speaker says without a pause into segments: normalizers read numbers of several words."""
    by_speaker: defaultdict[str | None, list[Segment]] = defaultdict(list)
    for word in in_order(words):
        by_speaker[word.speaker].append(word)
    for said in by_speaker.values():
        cuts = [i for i, (one, two) in enumerate(pairwise(said), 1) if (two.start or 0) - (one.end or 0) > PAUSE_S]
        for first, last in pairwise([0, *cuts, len(said)]):
            part = said[first:last]
            yield Segment(" ".join(word.text for word in part), part[0].start, part[-1].end, part[0].speaker)
