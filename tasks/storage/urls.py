"""Locations as text: local paths, and URLs that fsspec reads."""

import hashlib
import os
import re
from typing import Any
from urllib.parse import unquote, urlsplit

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def is_url(location: str) -> bool:
    """Return whether this is a URL, not a local path."""
    return URL.match(location) is not None


def absolute(location: str) -> str:
    """Return a path made absolute, a `file://` URL as the path that it means, any other URL as it is."""
    if location.lower().startswith("file://"):
        return os.path.abspath(unquote(location[len("file://") :]))
    return location if is_url(location) else os.path.abspath(location)


def is_absolute(location: str) -> bool:
    """Return whether a location means the same in any current folder."""
    return is_url(location) or os.path.isabs(location)


def join(folder: str, name: str) -> str:
    """Return the location of a name in a folder."""
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

    A query is replaced by a digest: that of a signed URL grants access.
    """
    if not is_url(location):
        return location
    parts = urlsplit(location)
    host = parts.netloc.rpartition("@")[2]
    mark = f"?{hashlib.sha256(parts.query.encode()).hexdigest()[:8]}" if parts.query else ""
    return f"{parts.scheme}://{host}{parts.path}{mark}"


def options_shown(options: dict[str, Any]) -> dict[str, Any]:
    """Return options as they may be shown and kept: `shown` for those that are locations, such as a model's URL."""
    return {name: shown(value) if isinstance(value, str) else value for name, value in options.items()}
