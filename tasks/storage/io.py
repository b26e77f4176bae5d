"""Reading and writing what lies on this machine or in a store, the same way."""

import errno
import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from tasks.faults import FileFault
from tasks.storage.atomic import DRAFT, new_draft, sync_folder, write_new
from tasks.storage.filesystems import Print, as_os_errors, filesystem, find, print_from
from tasks.storage.scratch import scratch_folder
from tasks.storage.urls import is_url, path_in

CHUNK_BYTES = 1 << 20


def print_of(location: str) -> Print | None:
    """Return the print of what is there, None if nothing is. Raises OSError, BadPlace."""
    try:
        if not is_url(location):
            return _print(os.stat(location))
        with as_os_errors(location):
            return print_from(filesystem(location).info(location))
    except (FileNotFoundError, NotADirectoryError):
        return None


def _print(status: os.stat_result) -> Print:
    return status.st_size, status.st_mtime_ns


@contextmanager
def opened(location: str, block_bytes: int = 8 << 20) -> Iterator[BinaryIO]:
    """Open for reading, also here and there; in such pieces where it is not local. Raises OSError, BadPlace."""
    if not is_url(location):
        with open(location, "rb", buffering=0) as file:
            yield cast(BinaryIO, file)
        return
    with ExitStack() as needed:
        with as_os_errors(location):
            away = needed.enter_context(filesystem(location).open(location, "rb", block_size=block_bytes))
            seekable = _seeks(away)
        if seekable:
            yield cast(BinaryIO, _StoreFile(away, location))
        else:  # some web servers give all or nothing
            yield needed.enter_context(open(needed.enter_context(local_copy(location)), "rb"))


class _StoreFile:
    """An open object of a store whose own errors, and not those of its user, are raised as OSError."""

    def __init__(self, file: Any, location: str) -> None:
        self._file = file
        self._location = location

    def read(self, size: int = -1) -> bytes:
        with as_os_errors(self._location):
            return cast(bytes, self._file.read(size))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        with as_os_errors(self._location):
            return cast(int, self._file.seek(offset, whence))

    def tell(self) -> int:
        return cast(int, self._file.tell())


def _seeks(file: Any) -> bool:
    try:
        file.seek(1)
        file.read(1)
        file.seek(0)
    except ValueError:  # what fsspec raises where the server does not know ranges
        return False
    return True


def read(location: str) -> bytes:
    """Return all that is there. Raises OSError, BadPlace."""
    with opened(location) as file:
        return file.read()


def put(contents: dict[str, bytes]) -> dict[str, Print]:
    """Write each content to its location, over what is there: whole or not at all. Raises OSError, BadPlace.

    On this machine's file systems all are on the disk before the first takes its place, and all places are when this
    returns. An object appears whole. Returns the print of each.
    """
    local = {location: content for location, content in contents.items() if not is_url(location)}
    for location in local:
        os.makedirs(os.path.dirname(location), exist_ok=True)
    drafts = {location: new_draft(Path(location).parent) for location in local}
    prints: dict[str, Print] = {}
    try:
        for location, draft in drafts.items():
            write_new(draft, local[location])
            prints[location] = _print(os.stat(draft))  # of ours, whoever replaces it meanwhile
        for location, draft in drafts.items():
            draft.replace(location)
        for folder in {os.path.dirname(location) for location in local}:
            sync_folder(folder)
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)
    for location in contents.keys() - local.keys():
        with as_os_errors(location):
            filesystem(location).pipe_file(location, contents[location])
            prints[location] = print_from(filesystem(location).info(location))
    return prints


def listed(folder: str) -> list[str]:
    """Return the locations of the files in a folder; none if there is no folder. Raises OSError, BadPlace."""
    try:
        if not is_url(folder):
            return [os.path.join(folder, name) for name in os.listdir(folder) if not name.startswith(DRAFT)]
        return list(find(f"{folder}/"))
    except FileNotFoundError:
        return []


def tree(folder: str) -> Iterator[tuple[str, int, float]]:
    """Yield the location, the size in bytes and the time of change of each file below. Raises OSError, BadPlace."""
    if is_url(folder):
        for location, (size, _) in find(folder).items():
            with as_os_errors(location):
                yield location, size, filesystem(location).modified(location).timestamp()
        return
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            status = os.stat(path)
            yield path, status.st_size, status.st_mtime


def remove(location: str) -> None:
    """Remove what is there, if anything is. Raises OSError, BadPlace."""
    with suppress(FileNotFoundError):
        if not is_url(location):
            os.unlink(location)
            return
        with as_os_errors(location):
            filesystem(location).rm_file(location)


@contextmanager
def local_copy(location: str) -> Iterator[str]:
    """Return a path of this machine with the content, for the length of a `with`. Raises OSError, BadPlace."""
    if not is_url(location):
        yield location
        return
    with scratch_folder() as folder:
        # With its extension, by which FFmpeg's libraries tell some formats.
        copy = os.path.join(folder, f"copy{os.path.splitext(path_in(location))[1][:16]}")
        with as_os_errors(location):
            files = filesystem(location)
            expected = print_from(files.info(location))[0]
            files.get_file(location, copy)
            got = os.path.getsize(copy)
            if expected not in (-1, got):
                raise OSError(errno.EIO, f"the download ended after {got} of {expected} bytes")
        yield copy


class Stopped(FileFault):
    """The run ended before a file was read to its end."""


def digest_of(path: str, stop: threading.Event | None = None) -> str:
    """Return the BLAKE2b digest of what is there, 128 bits in hex. Raises OSError, BadPlace, or Stopped if told to.

    Without instructions of its own in the processor it is twice as fast as SHA-256: 570 to 280 MiB a CPU second.
    """
    digest = hashlib.blake2b(digest_size=16)
    with opened(path) as file:
        while chunk := file.read(CHUNK_BYTES):
            if stop and stop.is_set():
                raise Stopped
            digest.update(chunk)
    return digest.hexdigest()
