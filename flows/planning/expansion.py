"""From what the user names (a file, a folder, a glob, a URL) to the files that it means."""

import glob
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator

from flows.planning.patterns import Patterns, is_hidden, names_hidden
from tasks.errors import InvalidInput, message_of, one_line
from tasks.storage import filesystems, io, urls

logger = logging.getLogger(__name__)

ESCAPED = re.compile(r"\[([*?[])\]")
"""A character without its special meaning, as `glob.escape` writes it."""


def absolute_input(name: str) -> str:
    """Return an input that means the same in any current folder.

    Folders that are there are meant literally, also those with `[` or `*` in their names; wildcards begin after them.
    """
    path = urls.absolute(name)
    if urls.is_url(path) or os.path.lexists(path) or not glob.has_magic(path):
        return path
    folder = os.path.dirname(path)
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return glob.escape(folder) + path[len(folder) :]


def expand(
    name: str, patterns: Patterns, notify: Callable[[str], object] = logger.warning, *, must_match: bool = True
) -> list[str]:
    """Return the files that an input means; a file that is named need not exist.

    A glob without a match is taken for the name of a file, unless it `must_match`. `notify` is told which folders
    cannot be searched, apart from one that is an input itself: that raises InvalidInput.
    """
    path = absolute_input(name)
    if urls.is_url(path):
        return _expand_url(path, patterns, must_match=must_match)
    if os.path.isdir(path):
        found = patterns.chosen(_search(path, patterns, notify))
        return [os.path.join(path, each) for each in sorted(found, key=lambda n: n.split("/"))]
    if os.path.lexists(path) or not glob.has_magic(path):
        return [path]
    if not glob.has_magic(ESCAPED.sub("", path)):
        return [ESCAPED.sub(r"\1", path)]
    matches = sorted(os.path.abspath(match) for match in glob.iglob(path, recursive=True))
    if matches:
        return patterns.not_excluded([match for match in matches if not os.path.isdir(match)])
    return [_unmatched(name, must_match=must_match)]


def _unmatched(name: str, *, must_match: bool) -> str:
    if must_match:
        raise InvalidInput(f"nothing matches {one_line(urls.shown(name))}")
    return urls.absolute(name)


def _expand_url(url: str, patterns: Patterns, *, must_match: bool) -> list[str]:
    """Return the objects that a URL means: itself, those below it, or those that match. HTTP lists no folders."""
    if url.lower().startswith(("http://", "https://")):
        return [url]
    folder = f"{url.rstrip('/')}/"
    try:
        below = _below(folder)
        if below or url.endswith("/"):
            return [folder + name for name in patterns.chosen(below)]
        if not glob.has_magic(url) or io.version_of(url):
            return [url]
        matches = _not_hidden(filesystems.glob(url), url)
    except (OSError, filesystems.UnsupportedLocation) as error:
        raise InvalidInput(f"{one_line(urls.shown(url))}: {message_of(error)}") from None
    return patterns.not_excluded(matches) if matches else [_unmatched(url, must_match=must_match)]


def _below(folder: str) -> list[str]:
    """Return the objects below a URL, by their paths in it. Raises OSError, UnsupportedLocation."""
    try:
        return [each.removeprefix(folder) for each in filesystems.find(folder.rstrip("/")) if each.startswith(folder)]
    except FileNotFoundError:  # what some stores raise for an empty folder
        return []


def _not_hidden(matches: Iterable[str], pattern: str) -> list[str]:
    """Return the matches without hidden ones, unless the pattern names them: as local globs do."""
    parts = pattern.split("/")
    fixed = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    if names_hidden("/".join(parts[fixed:])):
        return list(matches)
    return [match for match in matches if not is_hidden("/".join(match.split("/")[fixed:]))]


def _search(folder: str, patterns: Patterns, notify: Callable[[str], object]) -> Iterator[str]:
    """Yield the files of a folder and of those below it that the patterns enter, by their paths in it.

    Links to folders are followed, after all others, so that a folder that is there itself has its own name. Each folder
    is searched once, which also ends loops.
    """

    def refuse(error: OSError) -> None:
        where = one_line(str(error.filename))
        if error.filename == folder:
            raise InvalidInput(f"folder {where}: {error.strerror}")
        notify(f"folder {where} is left out: {error.strerror}")

    searched: set[tuple[int, int]] = set()
    links = [folder]
    while links:
        for parent, folders, names in os.walk(links.pop(0), onerror=refuse):
            here = os.stat(parent)
            if (here.st_dev, here.st_ino) in searched:
                folders.clear()
                continue
            searched.add((here.st_dev, here.st_ino))
            folders[:] = sorted(filter(patterns.enters, folders))
            links += [path for path in (os.path.join(parent, each) for each in folders) if os.path.islink(path)]
            inside = os.path.relpath(parent, folder)
            yield from (name if inside == "." else f"{inside}/{name}" for name in names)
