"""Finds for each reference the transcript of the same recording."""

import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from flows.evaluation.transcripts.files import Files, files_below, transcript_of
from flows.evaluation.transcripts.recording import Recording
from flows.evaluation.transcripts.references import References, read_references
from tasks.errors import InvalidInput


@dataclass(frozen=True)
class Pair:
    """A transcript and the reference of the same recording."""

    name: str
    hypothesis: Recording
    reference: Recording


class Pairs:
    """The pairs of two folders, or files. What cannot be paired, or read, is in `problems` at the end.

    A reference belongs to the transcript with the same path below its folder, else to the only one with the same name;
    two files belong together whatever they are called. Transcripts are read one at a time. Raises InvalidInput.
    """

    def __init__(self, hypotheses: str, references: str) -> None:
        self._files, self._references = files_below(hypotheses), read_references(references)
        self.problems = self._references.problems
        names = set(self._references.recordings)
        if os.path.isfile(hypotheses) and os.path.isfile(references) and len(names) == 1:
            self._matches = {name: name_of_file for name in names for name_of_file in self._files}
        else:
            self._matches = _matched(self._references, self._files)
        matched = Counter(self._matches.values())
        for name in sorted(names):
            match = self._matches.get(name)
            if match is None:
                self.problems.append(self._unmatched(name, hypotheses))
            elif matched[match] > 1:
                self.problems.append(f"{name}: it is not the only reference for the transcript {match}")
                del self._matches[name]
        self.without_reference = len(self._files) - len(set(self._matches.values()))

    def _unmatched(self, name: str, hypotheses: str) -> str:
        base = os.path.basename(_key(name))
        alike = sorted(each for each in self._files if os.path.basename(_key(each)) == base)
        if not alike:
            return f"{name}: there is no transcript of it in {hypotheses}"
        return f"{name}: its transcript may be {' or '.join(alike)}; give it the same path as the right one"

    def __iter__(self) -> Iterator[Pair]:
        """Yield the pairs by the names of their transcripts."""
        for reference, transcript in sorted(self._matches.items(), key=lambda match: match[1]):
            try:
                hypothesis = transcript_of(self._files[transcript])
            except InvalidInput as error:
                self.problems.append(str(error))
                continue
            yield Pair(transcript, hypothesis, self._references.recordings[reference])


def _matched(references: References, transcripts: Files) -> dict[str, str]:
    """Return the name of the transcript for each reference that has one."""
    by_path = {_key(name): name for name in transcripts}
    aliases = {
        name: [_key(name), *([_key(references.ids[name])] if name in references.ids else [])]
        for name in references.recordings
    }
    found = {name: match for name, keys in aliases.items() if (match := _first(keys, by_path))}
    by_base: defaultdict[str, list[str]] = defaultdict(list)
    for name in set(transcripts) - set(found.values()):
        by_base[os.path.basename(_key(name))].append(name)
    unique = {base: names[0] for base, names in by_base.items() if len(names) == 1}
    for name in aliases.keys() - found.keys():
        if match := _first(map(os.path.basename, aliases[name]), unique):
            found[name] = match
    return found


def _first(keys: Iterable[str], names: dict[str, str]) -> str | None:
    return next((names[key] for key in keys if key in names), None)


def _key(name: str) -> str:
    """Return a name, or an id, as formats write it whose fields are separated by white space, in composed form."""
    return re.sub(r"\s", "_", unicodedata.normalize("NFC", name))
