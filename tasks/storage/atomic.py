"""Atomic writes of local files."""

import hashlib
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO, Any, TextIO
from uuid import uuid4

import psutil

DRAFT = ".whisperx-batch-"
"""What the names of drafts begin with. A short name of their own: the final one with anything added could be too long
for the file system."""
STALE_S = 24 * 3600.0
"""Drafts are written in seconds. One of this age is abandoned, also if its process is on another machine, where we
cannot look."""


def new_draft(folder: Path) -> Path:
    """Return a new path in this folder for a draft; its name says which process writes it."""
    return folder / f"{DRAFT}{_machine()}-{os.getpid()}-{uuid4().hex}"


def is_stale(draft: Path) -> bool:
    """Return whether the process that wrote this draft is gone. Raises FileNotFoundError if the draft is."""
    machine, _, rest = draft.name.removeprefix(DRAFT).partition("-")
    number = rest.partition("-")[0]
    ended = machine == _machine() and number.isdecimal() and not psutil.pid_exists(int(number))
    return ended or time.time() - draft.lstat().st_mtime > STALE_S


@cache
def _machine() -> str:
    """Return a name for this machine, or this container: what the numbers of processes hold for."""
    with suppress(OSError):
        return _digest(f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')}")
    return _digest(socket.gethostname())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def write_new(path: Path, content: bytes) -> None:
    """Write a new file, and sync it to the disk."""
    with path.open("xb") as file:
        file.write(content)
        _to_disk(file)


def _to_disk(file: IO[Any]) -> None:
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: str | Path) -> None:
    """Put the names in a folder on the disk: without this a power cut can undo a rename."""
    with suppress(OSError):  # not every file system syncs folders
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def atomic_write(path: Path) -> Iterator[TextIO]:
    """Open a UTF-8 text file for writing; it replaces `path` once it is complete and on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = new_draft(path.parent)
    try:
        with draft.open("x", encoding="utf-8") as file:
            yield file
            _to_disk(file)
        draft.replace(path)
        sync_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, by which the Hugging Face Hub knows large ones."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
