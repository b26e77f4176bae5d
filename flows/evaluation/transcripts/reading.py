"""Reads a transcript or a reference of any kind."""

import json
import os
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from flows.evaluation.transcripts.nist import read_ctm, read_rttm, read_stm
from flows.evaluation.transcripts.recording import Recording, Segment, in_order
from flows.evaluation.transcripts.subtitles import read_subtitles, read_text
from tasks.errors import InvalidInput, message_of

Reader = Callable[[str], dict[str | None, Recording]]
"""From a file's text to what it says of each recording, by the id that it gives them, or None if it gives none."""


def read_json(content: str) -> dict[str | None, Recording]:
    """Read WhisperX's result, or SegLST. Raises InvalidInput."""
    try:
        found = json.loads(content)
    except ValueError as error:
        raise InvalidInput(f"it is not JSON: {error}") from None
    try:
        if isinstance(found, list):
            return _seglst(found)
        segments = [
            Segment(str(each["text"]).strip(), _time(each, "start"), _time(each, "end"), each.get("speaker"))
            for each in found["segments"]
        ]
        return {None: Recording(in_order(segments), language=found.get("language"))}
    except (TypeError, LookupError, ValueError, AttributeError) as error:
        raise InvalidInput(f"it is neither a transcript of WhisperX nor SegLST: {error!r}") from None


def _seglst(segments: list[dict[str, Any]]) -> dict[str | None, Recording]:
    found: defaultdict[str | None, list[Segment]] = defaultdict(list)
    for each in segments:
        times = _time(each, "start_time"), _time(each, "end_time")
        found[each.get("session_id")].append(Segment(str(each["words"]), *times, each.get("speaker") or None))
    return {name: Recording(in_order(found[name])) for name in found}


def _time(segment: dict[str, Any], name: str) -> float | None:
    """Return a time in seconds; some SegLST files hold them as texts."""
    return None if segment.get(name) is None else float(segment[name])


RTTM = ".rttm"
READERS: dict[str, Reader] = {
    ".seglst.json": read_json,
    ".json": read_json,
    ".stm": read_stm,
    ".ctm": read_ctm,
    ".srt": read_subtitles,
    ".vtt": read_subtitles,
    ".txt": read_text,
    RTTM: read_rttm,
}
"""By the end of a file's name."""
BEST_FIRST = (".json", *(suffix for suffix in READERS if suffix not in {".json", RTTM}))
"""Which of a transcript's formats is read, if there are several: that which says most."""
NOT_TRANSCRIPTS = (".quality.json", ".maxqda.txt", ".atlasti.txt", ".nvivo.txt")
"""Outputs for other programs, beside a transcript in a format that is read."""


def suffix_of(path: str) -> str | None:
    """Return the end of the name that says the format; None if it is no transcript, or of no known format."""
    name = os.path.basename(path).lower()
    if name.endswith(NOT_TRANSCRIPTS):
        return None
    return next((suffix for suffix in READERS if name.endswith(suffix)), None)


def read(path: str) -> dict[str | None, Recording]:
    """Return what a file says of each recording. Raises InvalidInput, which names the file and what is wrong."""
    suffix = suffix_of(path)
    if suffix is None:
        raise InvalidInput(f"{path}: its format is not known; there are {', '.join(READERS)}")
    try:
        with open(path, encoding="utf-8-sig") as file:
            return READERS[suffix](file.read())
    except UnicodeDecodeError:
        raise InvalidInput(f"{path}: it is not text in UTF-8; convert it first") from None
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error}") from None
    except OSError as error:
        raise InvalidInput(f"{path}: {message_of(error)}") from None
