"""Temporary folders that are removed even if their process was killed, by the next one that needs such a folder."""

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SCRATCH = "whisperx-batch-copy-"
"""What the names of these folders begin with."""


@contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """Make a folder, in the system's temporary one or in `parent`, and remove it at the end of the `with`.

    The process holds a lock in it, which the system frees if the process is killed: that is how `remove_abandoned`
    knows which are still in use. It is called first, so that what earlier processes left does not fill the disk.
    """
    remove_abandoned(parent)
    folder, lock = _locked_folder(parent)
    try:
        yield folder
    finally:
        os.close(lock)
        shutil.rmtree(folder, ignore_errors=True)


def _locked_folder(parent: Path | None) -> tuple[Path, int]:
    """Return a new folder, and the descriptor that holds the lock in it."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=parent))
        with suppress(FileNotFoundError):
            lock = _open_lock(folder)
            with suppress(OSError):  # a file system without locks, where no folder counts as abandoned
                fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.exists():
                return folder, lock
            os.close(lock)  # another process took it for abandoned before it was locked


def _open_lock(folder: Path) -> int:
    # For writing, which NFS needs for an exclusive lock.
    return os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, mode=0o600)


def remove_abandoned(parent: Path | None = None) -> None:
    """Remove the scratch folders of processes that are gone; those of other users are left alone."""
    for folder in Path(parent or tempfile.gettempdir()).glob(f"{SCRATCH}*"):
        with suppress(OSError):
            status = folder.lstat()
            if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid():
                _remove_if_abandoned(folder)


def _remove_if_abandoned(folder: Path) -> None:
    lock = _open_lock(folder)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
