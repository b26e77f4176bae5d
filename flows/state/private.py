"""Our own folder in an output folder: what lies there is believed, so nobody else may write to it."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from tasks.errors import InvalidInput
from tasks.storage.atomic import new_draft

OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


def make_private(folder: Path, option: str) -> None:
    """Make the folder that `option` names, or that is inside it, if it is missing, with mode 0700.

    A mode by which others may write is tightened. Where that has no effect, as on Windows shares, it is left. Raises
    OSError, InvalidInput if the folder belongs to another user.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.stat()
    if status.st_uid != _uid_of_new_files(folder):
        raise InvalidInput(
            f"{folder} belongs to another user (uid {status.st_uid}), whose files would be taken for yours: use "
            f"another {option}, or remove that folder"
        )
    if status.st_mode & OTHERS_MAY_WRITE:
        with suppress(OSError):
            folder.chmod(stat.S_IMODE(status.st_mode) & ~OTHERS_MAY_WRITE)


def _uid_of_new_files(folder: Path) -> int:
    """Return who owns what this process makes there. Not its own uid: network file systems map one to another."""
    draft = new_draft(folder)
    draft.touch(mode=0o600)
    try:
        return os.stat(draft).st_uid
    finally:
        draft.unlink()
