"""What is known of every input file of an output folder: our own record, independent of Prefect's."""

import json
import logging
import os
import threading
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Unpack, cast

from flows.host.collector import collector_paused
from flows.state.ledger_file import LedgerFile
from flows.state.ledger_rows import Row, Written, merged, parsed, row_from
from tasks.storage import io, urls, write_ahead
from tasks.storage.atomic import atomic_write
from tasks.storage.filesystems import FileVersion, UnsupportedLocation
from tasks.storage.io import digest_of, read, version_of, write_all
from tasks.storage.outputs import OutputPath

logger = logging.getLogger(__name__)

FOLDER = ".whisperx-batch"
"""Inside the output folder: the ledger, the lock, the stored results, the write-ahead notes."""
LEDGER = "ledger.jsonl"
COPIED = "ledger.copied"
"""Holds the version of the copy that this machine has made."""


class Ledger:
    """A line of JSON for each thing learnt of a file, the last of its kind counts. One run writes at a time.

    A line that a crash cut short does not count. Where the disk is full it goes on in memory: then a later run learns
    less, and no more is lost. Outputs whose lines are missing are recovered from the write-ahead notes.

    An output folder that is a URL has a `copy` of it for other machines, from the beginning and the end of each run.
    """

    def __init__(self, folder: Path, out: str, copy: str | None = None) -> None:
        """Read from `folder` the rows of files whose outputs go to `out`. Raises OSError, UnsupportedLocation."""
        self.rows: dict[str, Row] = {}
        self._paths_of: defaultdict[str, set[str]] = defaultdict(set)
        self._path = folder / LEDGER
        self._out = out
        self.notes_folder = urls.join(urls.join(out, FOLDER), write_ahead.FOLDER)
        """Where the write-ahead notes of this output folder lie."""
        self._copy = copy
        self._copied = folder / COPIED
        self._copy_is_old = False
        """Whether anything was noted after `begin` made the copy."""
        self._lock = threading.Lock()
        self._file: LedgerFile | None = None
        self._recovered: list[str] = []
        self._to_be_written = True
        """Whether its file differs from what is known now."""
        self._read()
        self._recover()

    @collector_paused()
    def _read(self) -> None:
        content = self._path.read_bytes() if self._path.exists() else b""
        lines = content.splitlines()
        elsewhere = self._of_another_machine()
        for learnt in parsed(lines + elsewhere):
            try:
                path = str(learnt.pop("path"))
                row = row_from(learnt)
            except (ValueError, LookupError, TypeError, AttributeError):
                continue
            self._learn(path, row)
        whole = content.endswith(b"\n") and len(lines) == len(self.rows)
        self._to_be_written = bool(elsewhere) or not whole

    def _of_another_machine(self) -> list[bytes]:
        found = version_of(self._copy) if self._copy else None
        if self._copy is None or found is None or (self._copied.exists() and self._copied.read_text() == str(found)):
            return []
        return read(self._copy).splitlines()

    def _recover(self) -> None:
        """Learn of outputs that were written before a crash, and whose line was not."""
        for noted in write_ahead.notes(self.notes_folder):
            ahead = noted.ahead
            outputs: dict[str, FileVersion] = {}
            output = OutputPath(self._out, ahead.template, ahead.pattern)
            for extension in noted.digests:
                if found := noted.written(extension, output.render(noted.facts.get("language"), extension)):
                    outputs[extension] = found
            if outputs:
                written = cast(Written, {**noted.facts, "outputs": outputs, "changed": {}})
                row = Row(template=ahead.template, pattern=ahead.pattern, written={ahead.key: written})
                self._learn(ahead.path, row)
            self._recovered.append(noted.location)

    def share(self) -> None:
        """Put all that was learnt on the disk, and let other machines know, if the output folder is a store."""
        if self._file:
            self._file.close()
        if not self._copy_is_old:
            return
        try:
            self._put_copy()
        except (OSError, UnsupportedLocation) as error:
            logger.warning("%s: %s", self._copy, error)

    def _put_copy(self) -> None:
        if self._copy is not None and self._file:
            write_all({self._copy: self._path.read_bytes()})
            self._copied.write_text(str(version_of(self._copy)))

    def _learn(self, path: str, learnt: Row) -> None:
        self._to_be_written = True
        self.rows[path] = merged(self.rows.get(path, Row()), learnt)
        if "pattern" in learnt:
            self._paths_of[learnt["pattern"]].add(path)

    def row(self, path: str) -> Row:
        """Return what is known of a file, if only its name."""
        return self.rows.get(path, Row())

    def inputs(self) -> dict[str, Row]:
        """Return what is known of inputs: all but files that are a track of a group and nothing else."""
        return {path: row for path, row in self.rows.items() if "status" in row or "pattern" in row}

    def owners(self, pattern: str) -> list[tuple[str, Row]]:
        """Return the inputs, with what is known of them, for which outputs of this pattern were written."""
        return [(path, self.row(path)) for path in self._paths_of[pattern] if self.row(path).get("pattern") == pattern]

    def remembers(self, path: str, found: FileVersion) -> bool:
        """Return whether the content of a file is known, as git's index knows it: by path, size and mtime."""
        row = self.row(path)
        return "digest" in row and _same_file(path, (row.get("size"), row.get("mtime_ns")), found)

    def refused(self, path: str, found: FileVersion, made_with: str) -> str | None:
        """Return the error that this content met in an earlier run with the same options and releases, if it did."""
        refused = self.row(path).get("refused")
        if refused and refused["made_with"] == made_with and _same_file(path, refused["content"], found):
            return refused["error"]
        return None

    def sizes(self) -> set[int]:
        """Return the sizes of all contents that are known: a file of another size is none of them."""
        return {row["size"] for row in self.rows.values() if "digest" in row}

    def digest(self, path: str, found: FileVersion, stop: threading.Event | None = None) -> Row:
        """Return the row of a file, whose version was just `found`, with its digest: read unless it is remembered.

        Raises OSError, UnsupportedLocation, Stopped.
        """
        if not self.remembers(path, found):
            # If it changes meanwhile, the digest is remembered for a version that is gone: it will be read again.
            self.note(path, size=found[0], mtime_ns=found[1], digest=digest_of(path, stop))
        return self.row(path)

    def note(self, path: str, **learnt: Unpack[Row]) -> None:
        """Remember what was learnt of a file, also for later runs."""
        with self._lock:
            self._learn(path, learnt)
            if self._file:
                self._file.append(json.dumps({"path": path, **learnt}).encode())
                self._copy_is_old = True

    def note_written(self, path: str, ahead: str | None, **learnt: Unpack[Row]) -> None:
        """Remember what was written for a file; once that is on the disk, its write-ahead note goes."""
        self.note(path, **learnt)
        if self._file and ahead:
            self._file.once_synced(lambda: io.remove(ahead))

    def forget(self, paths: list[str]) -> None:
        """Drop what is known of these files; on the disk once the ledger is written anew."""
        for path in paths:
            self._to_be_written = True
            del self.rows[path]

    def begin(self, rows: Mapping[str, Row]) -> None:
        """Note this of these files, and write the ledger anew, without what has been superseded, if that changes it.

        Until then nothing that is noted is written: only the run that holds the output folder may. Raises OSError
        or UnsupportedLocation if the output folder is a store that cannot be written to.
        """
        for path, learnt in rows.items():
            self._learn(path, learnt)
        if self._to_be_written or self._recovered:
            self._write_anew()
        if self._file:
            self._file.close()
        self._copy_is_old = False
        self._file = LedgerFile(self._path)
        self._put_copy()

    def _write_anew(self) -> None:
        try:
            with atomic_write(self._path) as file:
                os.fchmod(file.fileno(), 0o600)  # URLs in it can hold tokens
                for path, row in self.rows.items():
                    row_of_path: dict[str, Any] = {"path": path, **row}
                    file.write(json.dumps(row_of_path) + "\n")
        except OSError as error:
            logger.warning("%s: %s", self._path, error)
        else:
            for location in self._recovered:
                io.remove(location)
            self._recovered = []


def _same_file(path: str, known: tuple[int | None, int | None], found: FileVersion) -> bool:
    # A web server that tells no version could have changed it without a trace.
    return (found[1] != 0 or not urls.is_url(path)) and tuple(known) == found
