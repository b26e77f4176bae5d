"""The inputs of a batch as they are set: what is named, and which of it is meant."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from pathspec import GitIgnoreSpec
from pydantic import Field, field_validator

from flows.config.file_overrides import FileOptions
from flows.planning.discovery import check_below, find_inputs, read_batch_file
from flows.planning.expansion import absolute_input
from flows.planning.manifest import Entry
from flows.planning.patterns import Patterns
from flows.state.ledger import Ledger
from tasks.bad_input import InvalidInput, one_line
from tasks.options import Options
from tasks.storage.filesystems import UnsupportedLocation
from tasks.storage.io import read
from tasks.storage.urls import absolute, is_absolute, shown

LONGEST_PARAMETER = 100_000
"""Characters of paths that go into a run's parameters, which the server stores and each page of its UI loads."""

LIST = "inputs-"
"""What the names of lists of inputs begin with, in our own folder."""


class Inputs(Options):
    """The audio and video files of a batch."""

    inputs: list[str] = Field(default_factory=list, description="files, folders and globs; paths or URLs")
    batch_file: str | None = Field(None, description="file with one path a line, or parted by NULs")
    manifest: str | None = Field(
        None,
        description="CSV or JSON Lines: the column path, and for each file what is another for it, as its language",
    )
    include: list[str] = Field(
        default_factory=list, description="of folders, what matches these patterns (gitignore's; default: audio, video)"
    )
    exclude: list[str] = Field(
        default_factory=list, description="of folders and globs, not what matches these patterns"
    )
    input_roots: list[str] = Field(
        default_factory=list, description="folders below which every input must lie (default: any input may be read)"
    )
    only: Literal["failed"] | None = Field(
        None, description="failed: of the inputs (default: all of earlier runs) those alone that are not done yet"
    )
    of_report: str | None = Field(None, description="with --only: the report of which those files are meant")

    @field_validator("include", "exclude")
    @classmethod
    def _patterns(cls, patterns: list[str]) -> list[str]:
        GitIgnoreSpec.from_lines(patterns)  # raises ValueError for what is no pattern
        return patterns

    def entries(self, ledger: Callable[[], Ledger]) -> list[Entry]:
        """Return the files that are meant: those named, or all of the report or the last runs. Raises InvalidInput."""
        entries = self._named() if self.inputs or self.batch_file or self.manifest or not self.only else None
        if entries is None:
            entries = self._of_earlier_runs(ledger())
        if self.input_roots:
            check_below(entries, self.input_roots)
        return entries

    def _named(self) -> list[Entry]:
        patterns = Patterns(tuple(self.include), tuple(self.exclude))
        return find_inputs(self.inputs, self.batch_file, self.manifest, patterns)

    def _of_earlier_runs(self, ledger: Ledger) -> list[Entry]:
        if not self.of_report and not ledger.rows:
            raise InvalidInput("--only failed: no earlier run in this output folder is known; name the inputs")
        known = {shown(path): path for path in ledger.rows}
        paths = [known.get(path, path) for path in sorted(self._reported() if self.of_report else known)]
        chosen = [path for path in paths if self.chooses(path, ledger)]
        if not chosen:
            raise InvalidInput("--only failed: every file is done; there is nothing to do")
        return [Entry(path, FileOptions.model_validate(ledger.row(path).get("options", {}))) for path in chosen]

    def chooses(self, path: str, ledger: Ledger) -> bool:
        """Tell whether `only` leaves this file in. Raises InvalidInput."""
        if not self.only:
            return True
        if self.of_report:
            return self._reported().get(shown(path), "done") not in ("done", "skipped")
        return ledger.row(path).get("status") not in ("done", "skipped")

    def _reported(self) -> dict[str, str]:
        return _statuses(self.of_report or "")

    def as_parameters(self, folder: Path) -> "Inputs":
        """Return the same inputs, by absolute paths, as parameters that Prefect's server takes.

        It refuses more than 512 KiB of them, and bytes that are not UTF-8, and shows them to all: such inputs, URLs
        with secrets, and batch files with relative paths go to a list in `folder`, which `lists_removed` removes.
        """
        listed = read_batch_file(self.batch_file)
        known: dict[str, Any] = {
            "manifest": absolute_if_set(self.manifest),
            "of_report": absolute_if_set(self.of_report),
            "input_roots": [absolute(root) for root in self.input_roots],
        }
        if _are_parameters([*self.inputs, self.batch_file or ""]) and all(map(is_absolute, listed)):
            known["batch_file"] = absolute_if_set(self.batch_file)
            known["inputs"] = [absolute_input(path) for path in self.inputs]
            return self.model_copy(update=known)
        folder.mkdir(parents=True, exist_ok=True)
        written = folder / f"{LIST}{uuid4().hex}"
        written.touch(mode=0o600)
        written.write_bytes(b"".join(os.fsencode(absolute_input(path)) + b"\0" for path in [*self.inputs, *listed]))
        return self.model_copy(update=known | {"inputs": [], "batch_file": str(written.absolute())})


def _are_parameters(paths: list[str]) -> bool:
    """Return whether Prefect's server may have and can hold these paths."""
    text = "".join(paths)
    return len(text) < LONGEST_PARAMETER and _is_utf8(text) and all(shown(path) == path for path in paths)


@contextmanager
def lists_removed(folder: Path) -> Iterator[None]:
    """Remove the lists that `as_parameters` writes to our own folder, of this run and of one that was killed.

    Only for the run that holds the folder.
    """
    _remove_lists(folder)
    try:
        yield
    finally:
        _remove_lists(folder)


def _remove_lists(folder: Path) -> None:
    for written in folder.glob(f"{LIST}*"):
        written.unlink(missing_ok=True)


@cache
def _statuses(report: str) -> dict[str, str]:
    """Return the status of each file in a report. Raises InvalidInput."""
    try:
        records = json.loads(read(report))["files"]
        return {record["path"]: record["status"] for record in records}
    except (OSError, UnsupportedLocation, ValueError, LookupError, TypeError) as error:
        raise InvalidInput(f"--of_report {one_line(report)}: no report of this program: {error}") from None


def _is_utf8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def absolute_if_set(path: str | None) -> str | None:
    """Return an absolute path or a URL; what is not set stays so."""
    return absolute(path) if path else path
