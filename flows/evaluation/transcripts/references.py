"""The references of a folder or a file, by recording."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from flows.evaluation.transcripts.files import files_below
from flows.evaluation.transcripts.reading import read
from flows.evaluation.transcripts.recording import Recording
from tasks.errors import InvalidInput


@dataclass
class References:
    """What is known to be right, by recording; `ids` are other names of some of them."""

    recordings: dict[str, Recording] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    """The references that cannot be used, a line each."""


def read_references(location: str) -> References:
    """Read a folder of references, or one file, which may hold those of many recordings. Raises InvalidInput.

    A file of one recording is named by its path below the folder; the recordings of others by their ids.
    """
    found = References()
    claims: defaultdict[str, list[tuple[str, Recording]]] = defaultdict(list)
    for name, files in files_below(location).items():
        for path in files.values():
            try:
                parts = read(path)
            except InvalidInput as error:
                found.problems.append(str(error))
                continue
            if not parts:
                found.problems.append(f"{path}: the reference is empty")
            for id_, recording in parts.items():
                own = name if len(parts) == 1 else unicodedata.normalize("NFC", str(id_))
                claims[own].append((path, recording))
                if id_ is not None:
                    found.ids[own] = id_
    for name, claimed in claims.items():
        problems = list(_problems(name, claimed))
        found.problems += problems
        if not problems:
            found.recordings[name] = _joined([recording for _, recording in claimed])
    return found


def _problems(name: str, claimed: list[tuple[str, Recording]]) -> Iterator[str]:
    for path, recording in claimed:
        if not recording.turns and not any(segment.text for segment in recording.segments or ()):
            yield f"{path}: the reference of {name} is empty"
    for texts in (True, False):
        paths = [path for path, recording in claimed if (recording.segments is not None) is texts]
        if len(paths) > 1:
            yield f"{name}: {' and '.join(paths)} are all its reference; keep one"


def _joined(recordings: list[Recording]) -> Recording:
    """Return text and turns of a recording as one."""
    text = next((each for each in recordings if each.segments is not None), Recording())
    return replace(text, turns=next((each.turns for each in recordings if each.turns is not None), None))
