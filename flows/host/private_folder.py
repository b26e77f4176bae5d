"""The user's own temporary folder: for Ray's files, to run in, and to replace a missing home folder."""

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

LONGEST_BELOW = len("/ray/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store")
"""The longest path of a Unix socket that Ray makes below the folder."""
LONGEST_SOCKET = 103
"""Bytes that the path of a Unix socket may have, on Linux (107) and macOS (103)."""


class NoPrivateFolder(RuntimeError):
    """No temporary folder can be used."""


@cache
def private_folder() -> Path:
    """Return a folder that only this user can enter; it is made if missing. Raises NoPrivateFolder.

    In RAY_TMPDIR or TMPDIR, or in /tmp where their paths are too long for Ray's sockets.
    """
    problems = []
    for parent in dict.fromkeys([os.environ.get("RAY_TMPDIR"), tempfile.gettempdir(), "/tmp"]):  # noqa: S108
        if not parent:
            continue
        folder = Path(parent).absolute() / f"whisperx-batch.{os.getuid()}"
        if len(os.fsencode(folder)) + LONGEST_BELOW > LONGEST_SOCKET:
            problems.append(f"{folder}: the path is too long for Ray's sockets")
            continue
        try:
            _make_private(folder)
        except OSError as error:
            problems.append(f"{folder}: {error.strerror}")
        else:
            return folder
    raise NoPrivateFolder("; ".join(problems) + "; set TMPDIR to a folder with a short path that you can write to")


def _make_private(folder: Path) -> None:
    """Make a folder of mode 0700, or see that the one that is there is ours. Raises OSError."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(0, "it belongs to another user, or is a link")
    if stat.S_IMODE(found.st_mode) != stat.S_IRWXU:
        folder.chmod(stat.S_IRWXU)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(0, "no permission to write there")


def private_subfolder(name: str) -> Path:
    """Return a folder in the private one; it is made if missing."""
    folder = private_folder() / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def empty_folder() -> Path:
    """Return a folder with nothing in it, to run in.

    Python, Ray and Prefect import modules and read settings from the current folder, which anybody may have filled.
    """
    return private_subfolder("empty")


@contextmanager
def in_empty_folder() -> Iterator[None]:
    """Be in the empty folder for the length of a `with`."""
    before = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.chdir(empty_folder())
        yield
    finally:
        os.fchdir(before)
        os.close(before)
