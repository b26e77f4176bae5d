"""From the inputs that the user names to the files that they mean."""

import logging
import os
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

from flows.config.inputs import Entry
from flows.planning.expansion import expand
from flows.planning.manifest import read_manifest
from flows.planning.patterns import MEDIA, Patterns
from flows.planning.text_files import as_utf8
from tasks.errors import InvalidInput, message_of, one_line
from tasks.storage import filesystems, io, urls

logger = logging.getLogger(__name__)


class NothingToDo(InvalidInput):
    """The inputs name no file; a command is wrong then, but the folder of a deployment may be empty."""


class NothingFailed(NothingToDo):
    """`--only failed` leaves no file, since all are done. A command is not wrong then."""


def find_inputs(
    inputs: list[str],
    batch_file: str | None = None,
    manifest: str | None = None,
    patterns: Patterns = MEDIA,
    notify: Callable[[str], object] = logger.warning,
) -> list[Entry]:
    """Return the files that are named, in order and once each, by path, folder (searched), glob, list or manifest.

    A file need not exist: that is its own failure. `notify` is told of folders that cannot be searched. Raises
    InvalidInput, of which NothingToDo if there is no file.
    """
    listed_paths = read_batch_file(batch_file)
    given = [*inputs, *listed_paths]
    if not given and not manifest:
        if batch_file:
            raise InvalidInput(f"--batch_file {one_line(batch_file)}: it names no file")
        raise InvalidInput("no input: name files, folders or globs, a --batch_file or a --manifest")
    found = [Entry(path) for each in inputs for path in expand(each, patterns, notify)]
    # In a list of thousands, a line that matches nothing fails as one file.
    found += [Entry(path) for each in listed_paths for path in expand(each, patterns, notify, must_match=False)]
    if given and not found:
        several = [pattern for pattern in (*patterns.include, *patterns.exclude) if "," in pattern]
        hint = f"; {several[0]!r} is one pattern: give each with an option of its own" if several else ""
        wanted = "audio or video file" if patterns == MEDIA else "file that --include and --exclude leave"
        raise NothingToDo(f"no {wanted} in {', '.join(urls.shown(each) for each in given[:10])}{hint}")
    listed = read_manifest(manifest) if manifest else []
    _check_once(listed, manifest or "")
    tracks = {path for entry in listed if entry.tracks for path in entry.paths}
    entries: dict[str, Entry] = {entry.path: entry for entry in found if entry.path not in tracks}
    files = {*entries, *tracks, *(entry.path for entry in listed if not entry.tracks)}
    if taken := [entry for entry in listed if entry.tracks and entry.path in files]:
        where = f"--manifest {one_line(manifest or '')}, line {taken[0].line}"
        raise InvalidInput(f"{where}: an input beside its tracks, or a track, has the name of this group: rename it")
    # A manifest's options count, even if a folder has named the file already.
    entries |= {entry.path: entry for entry in listed}
    if not entries:
        raise InvalidInput(f"--manifest {one_line(manifest or '')}: it names no file")
    return list(entries.values())


def _check_once(listed: list[Entry], manifest: str) -> None:
    """Raise InvalidInput for files that a manifest names twice with different options.

    A group has the path of a file if it has its name.
    """
    first: dict[str, Entry] = {}
    wrong = [
        f"--manifest {one_line(manifest)}, line {entry.line}: {one_line(urls.shown(entry.path))} is in line "
        f"{first[entry.path].line} already, with other options"
        for entry in listed
        if first.setdefault(entry.path, entry).options != entry.options
    ]
    if wrong:
        raise InvalidInput("\n".join(wrong))


def read_batch_file(name: str | None) -> list[str]:
    """Return the paths in a batch file: one a line, or separated by NULs, as `find -print0` writes any name.

    Raises InvalidInput.
    """
    if name is None:
        return []
    try:
        content = as_utf8(io.read(name))
    except (ValueError, OSError, filesystems.UnsupportedLocation) as error:
        raise InvalidInput(f"--batch_file {one_line(name)}: {message_of(error)}") from None
    if b"\0" in content:
        return [os.fsdecode(path) for path in content.split(b"\0") if path]
    return [os.fsdecode(line.strip()) for line in content.splitlines() if line.strip()]


def check_any_there(entries: list[Entry]) -> None:
    """Raise InvalidInput if none of these files exists: then the command is wrong, not a file."""
    paths = [path for entry in entries for path in entry.paths]
    if paths and all(map(_is_missing, paths)):
        first = ", ".join(map(one_line, paths[:3]))
        raise InvalidInput(f"no such file: {first}{f' and {len(paths) - 3:,} more' if paths[3:] else ''}")


def _is_missing(path: str) -> bool:
    """Return whether it is certain that there is no such file; of a URL it is not, before it is opened."""
    try:
        return not urls.is_url(path) and io.version_of(path) is None
    except (OSError, ValueError):
        return False


def check_below(entries: list[Entry], roots: list[str]) -> None:
    """Raise InvalidInput for files that lie below none of these folders, also by way of `..` or a symbolic link."""
    allowed = [_resolved(root) for root in roots]
    outside = [
        f"{f'line {entry.line}: ' if entry.line else ''}{one_line(urls.shown(path))} lies below "
        "none of the --input_roots"
        for entry in entries
        for path in entry.paths
        if not any(_lies_below(_resolved(path), root) for root in allowed)
    ]
    if outside:
        raise InvalidInput("\n".join(outside))


def _resolved(location: str) -> tuple[str, str, str]:
    """Return the scheme, the host or the bucket, and the path."""
    location = urls.absolute(location)
    if not urls.is_url(location):
        return "", "", os.path.realpath(location)
    scheme, _, rest = location.partition("://")
    if scheme.lower() in ("http", "https"):
        parts = urlsplit(location)
        return scheme.lower(), parts.netloc, unquote(parts.path)
    bucket, _, key = rest.partition("/")
    return scheme.lower(), bucket, f"/{key}"


def _lies_below(location: tuple[str, str, str], root: tuple[str, str, str]) -> bool:
    path = location[2]
    same_host = location[:2] == root[:2]
    return same_host and ".." not in path.split("/") and path.startswith(f"{root[2].rstrip('/')}/")
