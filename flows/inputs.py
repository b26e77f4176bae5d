"""The inputs that the user names: which files they mean, and what is wrong with them, before anything starts."""

import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from pathspec import GitIgnoreSpec

from flows.bad_input import BadInput, one_line
from flows.manifest import Entry, read_manifest
from tasks import locations, places, stores
from tasks.faults import why

AUDIO_EXTENSIONS = frozenset(
    """
    .3gp .aac .ac3 .aif .aifc .aiff .amr .ape .asf .au .avi .caf .dts .flac .flv .gsm .m2ts .m4a .m4b .m4v .mka .mkv
    .mov .mp2 .mp3 .mp4 .mpeg .mpg .mts .mxf .oga .ogg .ogv .opus .ra .rm .snd .spx .tta .ts .vob .voc .w64 .wav
    .webm .wma .wmv .wv
    """.split()
)
"""What a folder is searched for. A file that is named itself may have any extension."""


@dataclass(frozen=True)
class Patterns:
    """Which of the files in a folder are meant, by gitignore's patterns."""

    include: tuple[str, ...] = ()
    """None: files with an extension of audio or video, but for hidden ones."""
    exclude: tuple[str, ...] = ()

    def chosen(self, names: Iterable[str]) -> Iterator[str]:
        """Yield those of these paths, relative to the folder that is searched, that are meant."""
        include, exclude = GitIgnoreSpec.from_lines(self.include), GitIgnoreSpec.from_lines(self.exclude)
        for name in names:
            if (include.match_file(name) if self.include else _is_media(name)) and not exclude.match_file(name):
                yield name

    def not_excluded(self, files: list[str]) -> list[str]:
        """Return those of these files that `exclude` leaves in."""
        exclude = GitIgnoreSpec.from_lines(self.exclude)
        return [each for each in files if not exclude.match_file(locations.path_in(each).lstrip("/"))]


def _is_media(name: str) -> bool:
    base = name.rpartition("/")[2]
    return os.path.splitext(base)[1].lower() in AUDIO_EXTENSIONS and not base.startswith(".")


def find_inputs(
    inputs: list[str], batch_file: str | None = None, manifest: str | None = None, patterns: Patterns = Patterns()
) -> list[Entry]:
    """Return the files that are meant, in order and once each: files, folders (searched), globs, lists of them.

    A file need not exist: that is its own failure. Raises BadInput.
    """
    given = given_paths(inputs, batch_file)
    if not given and not manifest:
        raise BadInput("no input: name files, folders or globs, a --batch_file or a --manifest")
    found = [Entry(path) for each in given for path in _expand(each, patterns)]
    if given and not found:
        raise BadInput(f"no audio or video file in {', '.join(locations.shown(each) for each in given[:10])}")
    entries: dict[str, Entry] = {entry.path: entry for entry in found}
    listed = read_manifest(manifest) if manifest else []
    _check_once(listed, manifest or "")
    # What a manifest says of a file counts, also where a folder has named it already.
    entries |= {entry.path: entry for entry in listed}
    if not entries:
        raise BadInput(f"--manifest {one_line(manifest or '')}: it names no file")
    return list(entries.values())


def _check_once(listed: list[Entry], manifest: str) -> None:
    """Raise BadInput for files that a manifest names twice with different options."""
    first: dict[str, Entry] = {}
    wrong = [
        f"--manifest {one_line(manifest)}, line {entry.line}: {one_line(locations.shown(entry.path))} is in line "
        f"{first[entry.path].line} already, with other options"
        for entry in listed
        if first.setdefault(entry.path, entry).options != entry.options
    ]
    if wrong:
        raise BadInput("\n".join(wrong))


def given_paths(inputs: list[str], batch_file: str | None) -> list[str]:
    """Return what the user names, on the command line and in a batch file. Raises BadInput."""
    return [*inputs, *(_batch_file(batch_file) if batch_file else [])]


def _batch_file(name: str) -> list[str]:
    """Return the paths in a batch file: one a line, or parted by NULs, as `find -print0` writes any name."""
    try:
        content = places.read(name).removeprefix(b"\xef\xbb\xbf")
    except (OSError, stores.BadPlace) as error:
        raise BadInput(f"--batch_file {one_line(name)}: {why(error)}") from None
    if b"\0" in content:
        return [os.fsdecode(path) for path in content.split(b"\0") if path]
    return [os.fsdecode(line.strip()) for line in content.splitlines() if line.strip()]


def _expand(name: str, patterns: Patterns) -> list[str]:
    path = locations.absolute(name)
    if locations.is_url(path):
        return _expand_url(path, patterns)
    if os.path.isdir(path):
        return [os.path.join(path, each) for each in sorted(patterns.chosen(_search(path)), key=lambda n: n.split("/"))]
    if not os.path.lexists(path) and glob.has_magic(name):
        matches = sorted(os.path.abspath(match) for match in glob.iglob(name, recursive=True))
        if not matches:
            raise BadInput(f"nothing matches {one_line(name)}")
        return patterns.not_excluded([match for match in matches if not os.path.isdir(match)])
    return [path]


def _expand_url(url: str, patterns: Patterns) -> list[str]:
    """Return the objects that a URL means: those below it, if it is none itself. HTTP has no folders that list."""
    if url.lower().startswith(("http://", "https://")):
        return [url]
    try:
        if glob.has_magic(url):
            found = list(stores.glob(url))
            if not found:
                raise BadInput(f"nothing matches {one_line(locations.shown(url))}")
            return patterns.not_excluded(found)
        folder = f"{url.rstrip('/')}/"
        below = [each.removeprefix(folder) for each in stores.find(url) if each.startswith(folder)]
    except (OSError, stores.BadPlace) as error:
        raise BadInput(f"{one_line(locations.shown(url))}: {why(error)}") from None
    # An object need not exist, as a file need not.
    return [folder + name for name in patterns.chosen(below)] if below or url.endswith("/") else [url]


def _search(folder: str) -> Iterator[str]:
    def refuse(error: OSError) -> None:
        raise BadInput(f"folder {one_line(str(error.filename))}: {error.strerror}")

    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders.sort()
        inside = os.path.relpath(parent, folder)
        yield from (name if inside == "." else f"{inside}/{name}" for name in names)


def check_below(entries: list[Entry], roots: list[str]) -> None:
    """Raise BadInput for files that lie below none of these folders, also by way of `..` or a symbolic link."""
    allowed = [_resolved(root) for root in roots]
    outside = [entry for entry in entries if not any(_lies_below(_resolved(entry.path), root) for root in allowed)]
    if outside:
        raise BadInput(
            "\n".join(
                f"{f'line {entry.line}: ' if entry.line else ''}{one_line(locations.shown(entry.path))} lies below "
                "none of the --input_roots"
                for entry in outside
            )
        )


def _resolved(location: str) -> tuple[str, str, str]:
    """Return the scheme, the host or the bucket, and the path."""
    location = locations.absolute(location)
    if not locations.is_url(location):
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
