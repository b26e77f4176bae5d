"""Subtitles: cues, WhisperX's or readable ones, and the formats that hold them."""

from dataclasses import replace

from tasks.formats.subtitles.cues import Cue
from tasks.formats.subtitles.readable import readable_cues
from tasks.formats.subtitles.rules import rules_for
from tasks.formats.subtitles.scc import WIDTH, in_captions, scc
from tasks.formats.subtitles.whisperx_cues import whisperx_cues
from tasks.formats.writers import Layout, Result, as_written


def cut(result: Result, layout: Layout, *, labelled: bool) -> list[Cue]:
    """Return the cues of a transcript; `labelled` if the format will put the speaker's label into the text."""
    if "readable" not in layout:
        return list(whisperx_cues(result, layout))
    written = as_written(result)
    return readable_cues(written, rules_for(written["language"], layout["readable"]), labelled=labelled)


def captions(result: Result, layout: Layout) -> bytes:
    """Return SCC, whose screen has so few columns that its cues are always readable ones. Raises NotInCaptions."""
    written = as_written(result)
    rules = rules_for(written["language"], layout.get("readable", {}))
    narrow = replace(rules, max_line_width=min(rules.max_line_width, WIDTH))
    labelled = layout.get("speaker_labels") != "none"
    return scc(readable_cues(in_captions(written), narrow, labelled=labelled), layout)
