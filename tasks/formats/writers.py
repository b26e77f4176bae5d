"""WhisperX's own writers, and the text that they lose."""

import re
from collections.abc import Iterator
from io import StringIO
from itertools import groupby
from typing import Any, TypedDict

import numpy as np
from whisperx.utils import LANGUAGES_WITHOUT_SPACES, SubtitlesWriter, WriteSRT, WriteVTT, get_writer

Result = dict[str, Any]
"""WhisperX's: `segments`, each with `start`, `end` and `text`, once aligned `words`, maybe a `speaker`; `language`."""
Cue = tuple[Any, Any, str]
"""Start and end, as a writer's `format_timestamp` returns them, and the text."""


class Layout(TypedDict):
    """How subtitles are laid out; WhisperX's writers take it as it is."""

    max_line_width: int | None
    max_line_count: int | None
    highlight_words: bool


class CompleteSubtitles(SubtitlesWriter):  # type: ignore[misc]
    """The cues that WhisperX makes, with two differences.

    Segments without words, whose alignment failed, are there, where WhisperX drops them. Their words are not timed, so
    none is highlighted; where they take several cues, those share the segment's time.

    No cue holds segments of two speakers. WhisperX fills cues of a given width and number of lines with whatever comes
    next, under the name of the first speaker.
    """

    def iterate_result(self, result: Result, options: Layout) -> Iterator[Cue]:
        """Yield the cues of an aligned result, or of one without any words."""
        if not any("words" in segment for segment in result["segments"]):
            yield from super().iterate_result(result, options)
            return
        filled = options["max_line_width"] is not None and options["max_line_count"] is not None

        def alike(segment: dict[str, Any]) -> tuple[bool, str | None]:
            return bool(segment.get("words")), segment.get("speaker") if filled else None

        for (aligned, _), segments in groupby(result["segments"], key=alike):
            if aligned:
                yield from self._aligned({**result, "segments": list(segments)}, options)
            else:
                for segment in segments:
                    yield from self._unaligned(segment, result, options)

    def _aligned(self, result: Result, options: Layout) -> Iterator[Cue]:
        spaced = options["highlight_words"] and result["language"] in LANGUAGES_WITHOUT_SPACES
        for start, end, text in super().iterate_result(result, options):
            # WhisperX puts spaces between the words of a cue with a highlighted one, whatever the language.
            yield start, end, re.sub(r"^(\[.*?\]: )| ", r"\1", text) if spaced else text

    def _unaligned(self, segment: dict[str, Any], result: Result, options: Layout) -> Iterator[Cue]:
        text = segment["text"].strip().replace("-->", "->")  # an arrow would be read as another cue's times
        words = text if result["language"] in LANGUAGES_WITHOUT_SPACES else text.split()
        untimed = {**segment, "words": [{"word": word} for word in words]}
        texts = [text for _, _, text in super().iterate_result({**result, "segments": [untimed]}, options)]
        times = [self.format_timestamp(time) for time in np.linspace(segment["start"], segment["end"], len(texts) + 1)]
        yield from zip(times, times[1:], texts, strict=False)


class _SRT(CompleteSubtitles, WriteSRT):  # type: ignore[misc]
    pass


class _VTT(CompleteSubtitles, WriteVTT):  # type: ignore[misc]
    pass


def as_whisperx(extension: str, result: Result, layout: Layout) -> bytes:
    """Return the bytes of one of WhisperX's formats, by its extension."""
    ours = {"srt": _SRT, "vtt": _VTT}
    writer: Any = ours[extension]("") if extension in ours else get_writer(extension, "")
    written = StringIO()
    writer.write_result(result, file=written, options=layout)
    return written.getvalue().encode()
