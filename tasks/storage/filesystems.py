"""Object stores and web servers through fsspec, and their errors as OSErrors."""

import errno
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from tasks.errors import FileFault
from tasks.storage.urls import is_url, shown

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
"""Names that object stores have for an object's version, the best first."""
NOT_FOUND = 404
LASTING_STATUSES = {400, 401, 403, 405, 406, 407, 410, 451}
"""HTTP statuses that a retry does not change."""

FileVersion = tuple[int, int]
"""(size, mtime_ns) of a file, (size, number derived from its version) of an object: differs once it is changed."""


class UnsupportedLocation(FileFault):
    """The location cannot be read or written: its protocol is unknown, not installed or needs more settings."""


@cache
def _filesystem(url: str) -> Any:
    import fsspec

    protocol = url.partition("://")[0].lower()
    if "::" in url:
        raise UnsupportedLocation(f"{shown(url)}: chained URLs are not read")
    try:
        # Without its own record of what is there, which another program or the last run has changed since.
        return fsspec.filesystem(protocol, use_listings_cache=False, **_patience(protocol))
    except ImportError:
        extra = EXTRAS.get(protocol)
        wanted = f"the extra {extra!r} of whisperx-batch, see docs/inputs.md" if extra else "fsspec's package for it"
        raise UnsupportedLocation(f"{protocol}:// needs a package that is not installed: {wanted}") from None
    except ValueError:
        raise UnsupportedLocation(f"{protocol}:// is no protocol that fsspec knows") from None
    except TypeError:
        raise UnsupportedLocation(
            f"{protocol}:// needs more than a URL and the environment tell, and is not read"
        ) from None


def forget_filesystems() -> None:
    """Let go of all file systems, also those that fsspec keeps for Prefect: they have the credentials of a run."""
    from fsspec.registry import registry

    _filesystem.cache_clear()
    for each in set(registry.values()):
        each.clear_instance_cache()


def _patience(protocol: str) -> dict[str, Any]:
    if protocol not in ("http", "https"):
        return {}
    from aiohttp import ClientTimeout

    # aiohttp gives up after five minutes, however well a download goes.
    return {"client_kwargs": {"timeout": ClientTimeout(total=None, sock_connect=30, sock_read=60)}}


def filesystem(url: str) -> Any:
    """Return fsspec's file system for a URL. Credentials are those of the environment. Raises UnsupportedLocation."""
    return _filesystem(url if "::" in url else url.partition("://")[0] + "://")


@contextmanager
def as_os_errors(location: str) -> Iterator[None]:
    """Raise a store client's errors as the OSErrors of a file system, whose errno says whether a retry may help.

    Not chained to the client's own error, which has URLs with their tokens: Prefect would log it.
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


def version_from(info: dict[str, Any]) -> FileVersion:
    """Return the version of an object, from fsspec's information on it."""
    version = next((info[name] for name in VERSIONS if info.get(name)), "")
    stamp = int.from_bytes(hashlib.blake2b(str(version).encode(), digest_size=7).digest(), "big") if version else 0
    size = info.get("size")
    return -1 if size is None else int(size), stamp


def find(folder: str) -> dict[str, FileVersion]:
    """Return the objects at any depth below a URL, with their versions; of one object, itself. Raises OSError."""
    with as_os_errors(folder):
        files = filesystem(folder)
        return _as_urls(folder, files.find(folder, detail=True))


def glob(pattern: str) -> dict[str, FileVersion]:
    """Return the objects that a URL with wildcards means. Raises OSError, UnsupportedLocation."""
    with as_os_errors(pattern):
        return _as_urls(pattern, filesystem(pattern).glob(pattern, detail=True))


def _as_urls(url: str, found: dict[str, dict[str, Any]]) -> dict[str, FileVersion]:
    protocol = url.partition("://")[0]
    return {
        name if is_url(name) else f"{protocol}://{name}": version_from(info)
        for name, info in sorted(found.items())
        if info.get("type") != "directory"
    }
