"""Files of this machine, written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO
from uuid import uuid4

DRAFT = ".whisperx-batch-"
"""What the names of drafts begin with. A short name of their own: the final one with anything added could be too long
for the file system."""


def new_draft(folder: Path) -> Path:
    """Return a new path for a draft of a file in this folder."""
    return folder / f"{DRAFT}{uuid4().hex}"


@contextmanager
def durable_file(path: Path) -> Iterator[TextIO]:
    """Open a new text file, in UTF-8, which is on the disk when the `with` has ended."""
    with path.open("x", encoding="utf-8") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def whole_file(path: Path) -> Iterator[TextIO]:
    """Open a text file that takes its place, over what is there, once it is complete and on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = new_draft(path.parent)
    try:
        with durable_file(draft) as file:
            yield file
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def durable_draft(folder: str, content: bytes) -> str:
    """Write a draft in this folder, which is on the disk then, and return its path."""
    draft = os.path.join(folder, f"{DRAFT}{uuid4().hex}")
    try:
        # As open() makes files: with the permissions that the umask leaves.
        with open(draft, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        if os.path.lexists(draft):
            os.unlink(draft)
        raise
    return draft
