"""Readable subtitles: cues of one speaker, cut at sentences and phrases, that stay long enough to be read."""

from itertools import pairwise
from math import inf

from tasks.formats.subtitles.cues import Cue, label_of
from tasks.formats.subtitles.rules import Rules
from tasks.formats.subtitles.segmentation import Segmentation, Turn
from tasks.formats.subtitles.timing import Wanted, timed
from tasks.formats.subtitles.tokens import Token, columns, tokens_of
from tasks.formats.writers import Result

LONG_PAUSE_S = 2.0
"""A pause this long always ends a cue."""
LEAST_ROOM = 6
"""Columns that remain for the text when a long speaker's name is cut."""


def readable_cues(result: Result, rules: Rules, *, labelled: bool) -> list[Cue]:
    """Return cues that keep the rules; `labelled` if each will have its speaker's label in front.

    No word is left out or changed, and none is shown before one that was said earlier.
    """
    longest = rules.max_line_width - LEAST_ROOM
    speakers = {segment.get("speaker") for segment in result["segments"]}
    labels = {speaker: label_of(speaker, longest) if labelled else "" for speaker in speakers}
    widths = {speaker: columns(label) for speaker, label in labels.items()}
    tokens = tokens_of(result, int(rules.max_line_width) - max(widths.values(), default=0))
    language = result["language"]
    spoken = [cue for turn in _turns(tokens, widths) for cue in Segmentation(turn, rules, language).cues()]
    wanted = [Wanted(cue.start, cue.end, len(labels[cue.speaker]) + len(cue.text)) for cue in spoken]
    return [
        Cue(start, end, cue.text.replace("-->", "->"), cue.speaker, labels[cue.speaker])
        for cue, (start, end) in zip(spoken, timed(wanted, rules), strict=True)
    ]


def _turns(tokens: list[Token], widths: dict[str | None, int]) -> list[Turn]:
    """Return the tokens cut where the speaker changes and at long pauses."""
    if not tokens:
        return []
    starts = [
        number
        for number, (left, right) in enumerate(pairwise(tokens), start=1)
        if left.speaker != right.speaker or right.start - left.end > LONG_PAUSE_S
    ]
    spans = pairwise([0, *starts, len(tokens)])
    return [
        Turn(tokens[start:end], widths[tokens[start].speaker], tokens[end].start if end < len(tokens) else inf)
        for start, end in spans
    ]
