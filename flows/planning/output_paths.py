"""Output paths: the template, filled in for each file so that no two files get the same path."""

import os
from collections import Counter
from hashlib import sha256
from string import Formatter
from typing import Any, TypeGuard

from flows.config.inputs import Entry
from tasks.storage import urls
from tasks.write import LONGEST_FORMAT, LONGEST_LANGUAGE, WriteOptions

LONGEST_NAME = 255
"""Bytes in a file's name, on the file systems that people use."""


def common_folder(paths: list[str]) -> str:
    """Return the folder that all these locations lie below."""
    return os.path.commonpath({os.path.dirname(_path(path)) for path in paths})


def name_below(root: str, path: str) -> str:
    """Return a location as it is shown: its path below the common folder, without a URL's secrets."""
    path, prefix = _path(path), f"{root.rstrip('/')}/"
    return path[len(prefix) :] if path.startswith(prefix) else os.path.relpath(path, root)


def shown_name(root: str, entry: Entry, template: str, pattern: str) -> str:
    """Return the name under which a file is shown.

    It is the path below the inputs' common folder, and stays what it was when other inputs have another one: in its
    pattern, if the template puts outputs below that path.
    """
    if os.path.dirname(template) != "{relpath}" or entry.options.output:
        return name_below(root, entry.path)
    folder = os.path.dirname(pattern).replace("{{", "{").replace("}}", "}")
    return os.path.join(folder, os.path.basename(_path(entry.path)))


def _path(location: str) -> str:
    # Normal, so that no `..` in a URL leads out of the output folder.
    return os.path.normpath(os.path.join("/", urls.path_in(location)))


def output_patterns(write: WriteOptions, entries: list[Entry], known: dict[str, str]) -> list[str]:
    """Return for each file the pattern of its outputs' paths in the output folder; see OutputPath.

    Files that would get the same pattern keep their extensions in it, so that no output overwrites another. A file
    gets the name that its manifest gives it; else it keeps the `known` pattern of earlier runs, whatever other files
    there are this time, unless another of them has the same.
    """
    root = common_folder([entry.path for entry in entries])
    names = [name_below(root, entry.path) for entry in entries]
    stems = [entry.options.output or os.path.splitext(name)[0] for entry, name in zip(entries, names, strict=True)]
    patterns = [_fill(write.output_template, stem) for stem in stems]
    fixed = {i for i, entry in enumerate(entries) if entry.options.output}
    kept = _kept(entries, known, taken=[patterns[i] for i in fixed])
    for i, pattern in kept.items():
        patterns[i] = pattern
    fixed |= kept.keys()
    longer = {i for i in range(len(entries)) if stems[i] != names[i]} - fixed
    while clashes := _clashes(patterns) & longer:
        longer -= clashes
        for i in clashes:
            patterns[i] = _fill(write.output_template, names[i])
    for i in _clashes(patterns) - fixed:
        patterns[i] = _fill(write.output_template, f"{names[i]}-{_mark(entries[i].path)}")
    return patterns


def _kept(entries: list[Entry], known: dict[str, str], taken: list[str]) -> dict[int, str]:
    """Return the known patterns that entries keep: those that are valid and that no other entry has."""
    kept = {
        i: known[entry.path]
        for i, entry in enumerate(entries)
        if not entry.options.output and is_pattern(known.get(entry.path))
    }
    counts = Counter(pattern.casefold() for pattern in [*kept.values(), *taken])
    return {i: pattern for i, pattern in kept.items() if counts[pattern.casefold()] == 1}


def is_pattern(pattern: Any) -> TypeGuard[str]:
    """Return whether this value from a ledger is a valid pattern, of paths inside the output folder."""
    try:
        fields = {part[1:] for part in Formatter().parse(pattern) if part[1] is not None}
        path = pattern.format(language=LONGEST_LANGUAGE, format=LONGEST_FORMAT)
    except (TypeError, ValueError, LookupError, AttributeError):
        return False
    plain = fields <= {("language", "", None), ("format", "", None)}
    return plain and not os.path.isabs(path) and ".." not in path.split("/") and "\0" not in path


def _clashes(patterns: list[str]) -> set[int]:
    """Return the indices of patterns that are equal on a file system that ignores case."""
    counts = Counter(pattern.casefold() for pattern in patterns)
    return {i for i, pattern in enumerate(patterns) if counts[pattern.casefold()] > 1}


def _fill(template: str, stem: str) -> str:
    folder, name = os.path.split(stem)
    pattern = _filled(template, folder, name)
    longest = max(
        len(os.fsencode(part)) for part in pattern.format(language=LONGEST_LANGUAGE, format=LONGEST_FORMAT).split("/")
    )
    if longest <= LONGEST_NAME:
        return pattern
    return _filled(template, folder, _shorter(name, longest - LONGEST_NAME))


def _filled(template: str, folder: str, name: str) -> str:
    """Return the pattern made from a template; braces in folder and name, and doubled ones, stay literal."""
    values = {"relpath": _escaped(folder), "stem": _escaped(name), "language": "{language}", "format": "{format}"}
    filled = "".join(_escaped(text) + values.get(field or "", "") for text, field, _, _ in Formatter().parse(template))
    return os.path.normpath(filled.lstrip("/"))


def _escaped(text: str) -> str:
    """Return a text that is literal in a pattern."""
    return text.replace("{", "{{").replace("}", "}}")


def _shorter(name: str, bytes_over: int) -> str:
    """Return a name that is cut to fit the file system, and made unique by a digest."""
    mark = f"-{_mark(name)}"
    encoded = os.fsencode(name)
    return encoded[: max(len(encoded) - bytes_over - len(mark), 0)].decode(errors="ignore") + mark


def _mark(name: str) -> str:
    return sha256(os.fsencode(name)).hexdigest()[:8]
