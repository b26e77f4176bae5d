"""Write-ahead notes: what is about to be written for a file, on disk before the first output takes its place.

The record of what was written reaches the ledger some time after the outputs themselves. A power cut or a kill between
the two would leave outputs of unknown origin. A note has the digest of each output's content, so that a
later run can tell: an output with that content is the one that was about to be written.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tasks.storage import filesystems, io, urls

FOLDER = "writing"
"""In the folder `.whisperx-batch` of the output folder, so that every machine that writes outputs can write it."""


@dataclass(frozen=True)
class WriteAhead:
    """Where the note of one file goes, and what its outputs are written for."""

    folder: str
    path: str
    """The input."""
    key: str
    """Stands for its content and all options of its outputs; in a note, the outputs' key in the ledger."""
    template: str
    pattern: str

    @property
    def location(self) -> str:
        """Where the note lies: one for each input."""
        name = hashlib.blake2b(self.path.encode(errors="surrogateescape"), digest_size=16).hexdigest()
        return urls.join(self.folder, name)

    def note(self, contents: Mapping[str, bytes], facts: Mapping[str, Any]) -> None:
        """Note, on disk when this returns, these contents by extension and `facts` about them. Raises OSError."""
        digests = {extension: [len(content), _digest(content)] for extension, content in contents.items()}
        record = {**vars(self), "digests": digests, "facts": dict(facts)}
        io.write_all({self.location: json.dumps(record).encode()})


@dataclass(frozen=True)
class Noted:
    """A note that was found: which contents, by extension, were about to be written, and where the note lies."""

    ahead: WriteAhead
    digests: dict[str, tuple[int, str]]
    facts: dict[str, Any]
    location: str

    def written(self, extension: str, output: str) -> filesystems.FileVersion | None:
        """Return an output's version if it has the noted content. Raises OSError, UnsupportedLocation."""
        size, digest = self.digests[extension]
        found = io.version_of(output)
        if found is None or found[0] != size or _digest(io.read(output)) != digest:
            return None
        return found


def notes(folder: str) -> Iterator[Noted]:
    """Yield the notes in a folder; one that a crash cut short, before any output was written, is passed over.

    Raises OSError, UnsupportedLocation.
    """
    for location in sorted(io.listed(folder)):
        try:
            record = json.loads(io.read(location))
            digests = {extension: (int(size), str(digest)) for extension, (size, digest) in record["digests"].items()}
            ahead = WriteAhead(*(str(record[name]) for name in ("folder", "path", "key", "template", "pattern")))
            yield Noted(ahead, digests, dict(record["facts"]), location)
        except (ValueError, LookupError, TypeError, AttributeError, FileNotFoundError):
            continue


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()
