"""Manifests: a CSV file, or one of JSON Lines, that names files, with options of their own for each."""

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from typing import Any

from pydantic import ValidationError

from flows.config.file_overrides import NO_OVERRIDES, FileOverrides
from flows.config.inputs import Entry
from flows.planning.sources.groups import TrackColumns, TrackRow, entry_of, mistakes
from flows.planning.sources.rows import PATH, rows_of
from flows.planning.text_files import decoded
from tasks.diarize import DiarizeOptions
from tasks.errors import InvalidInput, message_of, one_line
from tasks.storage import filesystems, io, urls
from tasks.transcribe import TranscribeOptions

TRACK_COLUMNS = list(TrackColumns.model_fields)
COLUMNS = [PATH, *FileOverrides.model_fields, *TRACK_COLUMNS]
NO_TRACK = TrackColumns()


def read_manifest(manifest: str) -> list[Entry]:
    """Return the entries of a manifest, in order. Relative paths start at its own folder.

    The first line of a CSV file names its columns; an empty cell leaves an option as the batch has it. Raises
    InvalidInput, with every error in it.
    """
    try:
        text = decoded(io.read(manifest))
    except (ValueError, OSError, filesystems.UnsupportedLocation) as error:
        raise InvalidInput(f"--manifest {one_line(manifest)}: {message_of(error)}") from None
    reader = _Reader(manifest)
    entries = list(reader.entries(text))
    if reader.errors:
        raise InvalidInput("\n".join(reader.errors))
    return entries


class _Reader:
    """Reads one manifest, and goes on after errors."""

    def __init__(self, manifest: str) -> None:
        self._manifest = manifest
        self._folder = urls.absolute(manifest).rpartition("/")[0]
        self._options: dict[str, FileOverrides] = {}
        self.errors: list[str] = []

    def entries(self, text: str) -> Iterator[Entry]:
        """Yield the valid entries, and note the errors of the others. A group is where its first track is."""
        groups: defaultdict[str, list[TrackRow]] = defaultdict(list)
        found: dict[str | int, Entry | None] = {}  # by the group, or the line
        for line, row in rows_of(self._manifest, text, COLUMNS, self._wrong):
            path = self._path(line, row)
            columns = self._track_columns(line, row)
            options = self._file_options(line, row)
            if path is None or columns is None or options is None:
                continue
            if columns.group is None:
                found[line] = Entry(path, options, line)
            else:
                found.setdefault(columns.group)
                groups[columns.group].append(
                    TrackRow(line, columns.track(path), options, named=columns.speaker is not None)
                )
        for name, entry in found.items():
            if entry:
                yield entry
            else:
                yield from self._group(str(name), groups[str(name)])

    def _group(self, name: str, rows: list[TrackRow]) -> Iterator[Entry]:
        wrong = list(mistakes(rows))
        for line, what in wrong:
            self._wrong(line, what)
        if not wrong:
            yield entry_of(name, rows)

    def _path(self, line: int, row: dict[str, Any]) -> str | None:
        """Return the path of a row, which is taken out of it; None if there is none."""
        path = row.pop(PATH, None)
        if not isinstance(path, str) or not path.strip() or "\0" in path:
            self._wrong(line, f"no {PATH}")
            return None
        path = path.strip()
        try:
            os.fsencode(path)
        except ValueError as error:
            self._wrong(line, f"{PATH}: {error}")
            return None
        return urls.absolute(path if urls.is_url(path) else self._beside(path))

    def _beside(self, path: str) -> str:
        return urls.join(self._folder, path)

    def _wrong(self, line: int, what: str) -> None:
        self.errors.append(f"--manifest {one_line(self._manifest)}, line {line}: {one_line(what)}")

    def _track_columns(self, line: int, row: dict[str, Any]) -> TrackColumns | None:
        """Return the columns of a row that are about tracks, which are taken out of it; None if they are invalid."""
        given = {name: value for name in TRACK_COLUMNS if (value := row.pop(name, None)) is not None}
        if not given:
            return NO_TRACK
        try:
            columns = TrackColumns.model_validate(given)
            FileOverrides(output=columns.group)
        except ValidationError as error:
            for message in _sentences(error):
                self._wrong(line, message.replace("output: ", "group: "))
            return None
        if columns.group is None:
            self._wrong(line, "speaker and offset are those of a track: name its group")
            return None
        return columns

    def _file_options(self, line: int, row: dict[str, Any]) -> FileOverrides | None:
        """Return the options of a row; equal rows share one object. None if they are invalid."""
        if not row:
            return NO_OVERRIDES
        known = json.dumps(row, sort_keys=True)
        if known not in self._options:
            options, wrong = _validated(row)
            if wrong:
                for message in wrong:
                    self._wrong(line, message)
                return None
            self._options[known] = options
        return self._options[known]


def _validated(row: dict[str, Any]) -> tuple[FileOverrides, list[str]]:
    """Return the options of a row, without those that are wrong, and everything that is wrong with it."""
    try:
        options, wrong = FileOverrides.model_validate(row), []
    except ValidationError as error:
        wrong = _sentences(error)
        bad = {problem["loc"][0] for problem in error.errors()}
        options = FileOverrides.model_validate({name: value for name, value in row.items() if name not in bad})
    for check in (partial(options.transcribing, TranscribeOptions()), partial(options.diarizing, DiarizeOptions())):
        try:
            check()
        except ValidationError as error:
            wrong += _sentences(error)
    return options, wrong


def _sentences(error: ValidationError) -> list[str]:
    sentences = []
    for problem in error.errors():
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = f"there is no such column; there are {', '.join(COLUMNS)}"
        sentences.append(": ".join([*map(str, problem["loc"][:1]), message]))
    return sentences
