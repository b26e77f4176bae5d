"""Labels of words and segments with the speakers of turns: what `whisperx.diarize.assign_word_speakers` does.

Importing that takes seven core-seconds, for pyannote.audio, which is all that it takes to write a file again; and it
compares each word with all turns before it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import accumulate
from typing import Any

from tasks.diarization.voices import Turn


def label_speakers(turns: Iterable[Turn], result: dict[str, Any], embeddings: dict[str, list[float]] | None) -> None:
    """Label in place each segment and each timed word of WhisperX's result with who speaks longest in it.

    Of several who speak equally long, whose turn begins first. Without turns or segments nothing is added.
    """
    ordered = sorted(turns, key=lambda turn: turn[0])
    segments = result.get("segments", [])
    if not ordered or not segments:
        return
    starts = [start for start, _, _ in ordered]
    latest_ends = list(accumulate((end for _, end, _ in ordered), max))

    def label(each: dict[str, Any], start: float, end: float) -> None:
        said: dict[str, float] = {}
        # The turns before have all ended by then, those after have not begun.
        for begin, stop, speaker in ordered[bisect_right(latest_ends, start) : bisect_left(starts, end)]:
            if (seconds := min(stop, end) - max(begin, start)) > 0:
                said[speaker] = said.get(speaker, 0.0) + seconds
        if said:
            each["speaker"] = max(said, key=lambda speaker: said[speaker])

    for segment in segments:
        label(segment, segment.get("start", 0.0), segment.get("end", 0.0))
        for word in segment.get("words", ()):
            if "start" in word:
                label(word, word["start"], word.get("end", word["start"]))
    if embeddings is not None:
        result["speaker_embeddings"] = embeddings
