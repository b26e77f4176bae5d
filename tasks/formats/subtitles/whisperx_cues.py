"""The cues that WhisperX makes, with the text that it loses."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

import numpy as np
from whisperx.utils import LANGUAGES_WITHOUT_SPACES, SubtitlesWriter

from tasks.formats.subtitles.cues import Cue, label_of
from tasks.formats.writers import Layout, Result

Timed = tuple[int, int, str]
"""Start and end in milliseconds, and the text."""


class _Milliseconds(SubtitlesWriter):  # type: ignore[misc]
    def format_timestamp(self, seconds: float) -> int:
        return round(1000 * seconds)


def whisperx_cues(result: Result, layout: Layout) -> Iterator[Cue]:
    """Yield the cues that WhisperX makes, with two differences.

    Segments without words, whose alignment failed, are there, where WhisperX drops them. Their words are not timed, so
    none is highlighted; where they take several cues, those share the segment's time.

    No cue holds segments of two speakers. WhisperX fills cues of a given width and number of lines with whatever comes
    next, under the name of the first speaker.
    """
    writer = _Milliseconds("")
    any_words = any("words" in segment for segment in result["segments"])
    for speaker, turn in groupby(result["segments"], key=lambda segment: segment.get("speaker")):
        segments = [{key: value for key, value in segment.items() if key != "speaker"} for segment in turn]
        said = {**result, "segments": segments}
        timed = _with_and_without_words(writer, said, layout) if any_words else writer.iterate_result(said, layout)
        yield from (Cue(start, end, text, speaker, label_of(speaker)) for start, end, text in timed)


def _with_and_without_words(writer: _Milliseconds, result: Result, layout: Layout) -> Iterator[Timed]:
    for aligned, segments in groupby(result["segments"], key=lambda segment: bool(segment.get("words"))):
        if aligned:
            yield from _aligned(writer, {**result, "segments": list(segments)}, layout)
        else:
            for segment in segments:
                yield from _unaligned(writer, segment, result, layout)


def _aligned(writer: _Milliseconds, result: Result, layout: Layout) -> Iterator[Timed]:
    unspaced = layout["highlight_words"] and result["language"] in LANGUAGES_WITHOUT_SPACES
    for start, end, text in writer.iterate_result(result, layout):
        # WhisperX puts spaces between the words of a cue with a highlighted one, whatever the language.
        yield start, end, text.replace(" ", "") if unspaced else text


def _unaligned(writer: _Milliseconds, segment: dict[str, Any], result: Result, layout: Layout) -> Iterator[Timed]:
    text = segment["text"].strip().replace("-->", "->")  # an arrow would be read as another cue's times
    words = text if result["language"] in LANGUAGES_WITHOUT_SPACES else text.split()
    untimed = {**segment, "words": [{"word": word} for word in words]}
    texts = [text for _, _, text in writer.iterate_result({**result, "segments": [untimed]}, layout)]
    times = [writer.format_timestamp(time) for time in np.linspace(segment["start"], segment["end"], len(texts) + 1)]
    yield from zip(times, times[1:], texts, strict=False)
