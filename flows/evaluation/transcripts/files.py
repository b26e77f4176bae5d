"""Finds the transcripts in a folder, by what they are transcripts of."""

import os
import unicodedata
from collections import defaultdict
from dataclasses import replace

from flows.evaluation.transcripts.reading import BEST_FIRST, READERS, RTTM, read, suffix_of
from flows.evaluation.transcripts.recording import Recording
from tasks.errors import InvalidInput
from tasks.people.known import TABLE, VOICES
from tasks.storage.urls import is_url

Files = dict[str, dict[str, str]]
"""Paths by what they are named after (the path below the folder, without its end, in Unicode's composed form) and by
the end of the name."""


def files_below(location: str) -> Files:
    """Return the files of known formats in a folder, or the one file.

    Hidden files and folders, such as `.whisperx-batch`, and the voices of a folder of people are left out. Raises
    InvalidInput if there is none, or if two have one name in two forms of Unicode.
    """
    found: defaultdict[str, dict[str, str]] = defaultdict(dict)
    paths, root = [location], os.path.dirname(location) or "."
    if os.path.isdir(location):
        paths, root = [], location
        for folder, folders, names in os.walk(location):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            others = {VOICES} if TABLE in names else set()
            paths += [os.path.join(folder, name) for name in sorted({*names} - others) if not name.startswith(".")]
    elif is_url(location):
        raise InvalidInput(f"{location}: only files of this machine are read; copy them here first")
    elif not os.path.isfile(location):
        raise InvalidInput(f"{location}: there is no such file or folder")
    for path in paths:
        if suffix := suffix_of(path):
            # macOS, and what comes from there, writes é as two characters.
            name = unicodedata.normalize("NFC", os.path.relpath(path, root)[: -len(suffix)])
            if suffix in found[name]:
                raise InvalidInput(f"{found[name][suffix]} and {path} differ only in the form of Unicode: keep one")
            found[name][suffix] = path
    if not found:
        raise InvalidInput(f"{location}: there is nothing to read; the known formats are {', '.join(READERS)}")
    return dict(found)


def transcript_of(files: dict[str, str]) -> Recording:
    """Return what the files of one recording say: the text in the best format, and the turns of an RTTM beside it.

    Raises InvalidInput.
    """
    texts = [files[suffix] for suffix in BEST_FIRST if suffix in files]
    text = _only(texts[0], Recording(segments=())) if texts else Recording()
    if RTTM not in files:
        return text
    turns = _only(files[RTTM], Recording(turns=())).turns
    # Beside text an RTTM without turns is that of a run without --diarize: nobody has looked for speakers.
    return replace(text, turns=turns or (None if text.segments else ()))


def _only(path: str, empty: Recording) -> Recording:
    """Return the one recording of a file, or `empty` if there is nothing in it, as in an RTTM of silence."""
    found = read(path)
    if len(found) > 1:
        raise InvalidInput(f"{path}: it holds {len(found)} recordings, and a transcript's file is to hold one")
    return next(iter(found.values()), empty)
