"""Places where inputs, outputs, results and models lie: local paths, and URLs of whatever fsspec reads."""

import errno
import hashlib
import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import unquote, urlsplit

from tasks.faults import FileFault
from tasks.files import DRAFT, new_draft, write_new

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
EXTRAS = {
    "s3": "s3",
    "s3a": "s3",
    "gs": "gs",
    "gcs": "gs",
    "abfs": "abfs",
    "abfss": "abfs",
    "az": "abfs",
    "adl": "abfs",
}
"""The extra of this package that reads a protocol for which fsspec needs a package of its own."""
VERSIONS = ("ETag", "etag", "md5Hash", "checksum", "LastModified", "last_modified", "mtime", "updated")
"""What object stores call that which changes with an object, the best first."""
CHUNK_BYTES = 1 << 20
NOT_FOUND = 404
LASTING_STATUSES = {400, 401, 403, 405, 406, 407, 410, 451}
"""Of HTTP: answers that another try does not change."""

Print = tuple[int, int]
"""Size and mtime_ns of a file, or of an object size and a number for its version: what tells that it was changed."""


class BadPlace(FileFault):
    """The place is none that can be read from, or written to."""


def is_url(location: str) -> bool:
    """Tell whether this is a URL, and not a path of this machine."""
    return URL.match(location) is not None


def absolute(location: str) -> str:
    """Return a path made absolute, a `file://` URL as the path that it means, any other URL as it is."""
    if location.lower().startswith("file://"):
        return os.path.abspath(unquote(location[len("file://") :]))
    return location if is_url(location) else os.path.abspath(location)


def join(folder: str, name: str) -> str:
    """Return the place of a name in a folder."""
    return f"{folder.rstrip('/')}/{name}" if is_url(folder) else os.path.join(folder, name)


def path_in(location: str) -> str:
    """Return the path in a location that names are made from: without host and query, and decoded where that is HTTP.

    Absolute for a path of this machine; beginning with the host or the bucket for a URL.
    """
    if not is_url(location):
        return location
    parts = urlsplit(location)
    if parts.scheme.lower() in ("http", "https"):
        return f"{parts.hostname or ''}/{unquote(parts.path).lstrip('/')}"
    return location.split("://", 1)[1]


def shown(location: str) -> str:
    """Return a location as it may be shown and kept: without the secrets that a URL can hold.

    A query is replaced by a digest: that of a signed URL opens the door to whoever reads it.
    """
    if not is_url(location):
        return location
    parts = urlsplit(location)
    host = parts.netloc.rpartition("@")[2]
    mark = f"?{hashlib.sha256(parts.query.encode()).hexdigest()[:8]}" if parts.query else ""
    return f"{parts.scheme}://{host}{parts.path}{mark}"


@cache
def _filesystem(url: str) -> Any:
    import fsspec

    protocol = url.partition("://")[0].lower()
    if "::" in url:
        raise BadPlace(f"{shown(url)}: chained URLs are not read")
    try:
        # Without its own record of what is there, which another program or the last run has changed since.
        return fsspec.filesystem(protocol, use_listings_cache=False, **_patience(protocol))
    except ImportError:
        extra = EXTRAS.get(protocol)
        wanted = f"pip install 'whisperx-batch[{extra}]'" if extra else f"install fsspec's package for {protocol}"
        raise BadPlace(f"{protocol}:// needs a package that is not installed: {wanted}") from None
    except ValueError:
        raise BadPlace(f"{protocol}:// is no protocol that fsspec knows") from None
    except TypeError:
        raise BadPlace(f"{protocol}:// needs more than a URL and the environment tell, and is not read") from None


def _patience(protocol: str) -> dict[str, Any]:
    if protocol not in ("http", "https"):
        return {}
    from aiohttp import ClientTimeout

    # aiohttp gives up after five minutes, however well a download goes.
    return {"client_kwargs": {"timeout": ClientTimeout(total=None, sock_connect=30, sock_read=60)}}


def filesystem(url: str) -> Any:
    """Return fsspec's file system for a URL. Credentials are those of the environment. Raises BadPlace."""
    return _filesystem(url if "::" in url else url.partition("://")[0] + "://")


@contextmanager
def as_os_errors(location: str) -> Iterator[None]:
    """Raise what a store's client raises as the OSError that a file system would: another try may help, or not.

    Without the client's own error behind it: that has URLs with their tokens, and Prefect logs it.
    """
    try:
        yield
    except FileFault:
        raise
    except Exception as error:
        # fsspec says of a web server that does not answer, or refuses, that there is no file.
        web = isinstance(error, FileNotFoundError) and location.lower().startswith("http")
        cause = error.__cause__ or error if web else error
        status = getattr(cause, "status", None)
        if isinstance(cause, FileNotFoundError) or status == NOT_FOUND:
            raise FileNotFoundError(errno.ENOENT, "no such file", shown(location)) from None
        if isinstance(cause, OSError) and cause.errno is not None:
            raise OSError(cause.errno, cause.strerror or str(cause), shown(location)) from None
        refused = isinstance(cause, PermissionError) or "Credentials" in type(cause).__name__
        lasting = refused or status in LASTING_STATUSES
        why = f"HTTP status {status}" if status else str(cause) or repr(cause)
        raise OSError(errno.EACCES if lasting else errno.EIO, why, shown(location)) from None


def print_of(location: str) -> Print | None:
    """Return the print of what is there, None if nothing is. Raises OSError, BadPlace."""
    try:
        if not is_url(location):
            status = os.stat(location)
            return status.st_size, status.st_mtime_ns
        with as_os_errors(location):
            return print_from(filesystem(location).info(location))
    except (FileNotFoundError, NotADirectoryError):
        return None


def print_from(info: dict[str, Any]) -> Print:
    """Return the print of an object, from what fsspec tells of it."""
    version = next((info[name] for name in VERSIONS if info.get(name)), "")
    stamp = int.from_bytes(hashlib.blake2b(str(version).encode(), digest_size=7).digest(), "big") if version else 0
    size = info.get("size")
    return -1 if size is None else int(size), stamp


@contextmanager
def opened(location: str, block_bytes: int = 8 << 20) -> Iterator[BinaryIO]:
    """Open for reading, also here and there; in such pieces where it is not local. Raises OSError, BadPlace."""
    if not is_url(location):
        with open(location, "rb", buffering=0) as file:
            yield cast(BinaryIO, file)
        return
    with ExitStack() as needed:
        needed.enter_context(as_os_errors(location))
        away = needed.enter_context(filesystem(location).open(location, "rb", block_size=block_bytes))
        if _seeks(away):
            yield away
        else:  # some web servers give all or nothing
            yield needed.enter_context(open(needed.enter_context(local_copy(location)), "rb"))


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


def put(contents: dict[str, bytes]) -> None:
    """Write each content to its location, over what is there: whole or not at all. Raises OSError, BadPlace.

    On this machine's file systems all are on the disk before the first takes its place. An object appears whole.
    """
    local = {location: content for location, content in contents.items() if not is_url(location)}
    for location in local:
        os.makedirs(os.path.dirname(location), exist_ok=True)
    drafts = {location: new_draft(Path(location).parent) for location in local}
    try:
        for location, draft in drafts.items():
            write_new(draft, local[location])
        for location, draft in drafts.items():
            draft.replace(location)
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)
    for location in contents.keys() - local.keys():
        with as_os_errors(location):
            filesystem(location).pipe_file(location, contents[location])


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
    with tempfile.TemporaryDirectory(prefix=DRAFT.lstrip(".")) as folder:
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


def find(folder: str) -> dict[str, Print]:
    """Return what lies at any depth below a URL, with its print; a URL of one object has that alone. Raises OSError."""
    with as_os_errors(folder):
        files = filesystem(folder)
        return _as_urls(folder, files.find(folder, detail=True))


def glob(pattern: str) -> dict[str, Print]:
    """Return the objects that a URL with wildcards means. Raises OSError, BadPlace."""
    with as_os_errors(pattern):
        return _as_urls(pattern, filesystem(pattern).glob(pattern, detail=True))


def _as_urls(url: str, found: dict[str, dict[str, Any]]) -> dict[str, Print]:
    protocol = url.partition("://")[0]
    return {
        name if is_url(name) else f"{protocol}://{name}": print_from(info)
        for name, info in sorted(found.items())
        if info.get("type") != "directory"
    }


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
