"""What is known of every input file of an output folder: our own record, whatever becomes of Prefect's."""

import json
import logging
import os
import threading
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict, Unpack

from tasks.container import check_regular
from tasks.files import whole_file
from tasks.locations import is_url
from tasks.places import digest_of, print_of, put, read
from tasks.stores import BadPlace, Print

logger = logging.getLogger(__name__)

FOLDER = ".whisperx-batch"
"""Inside the output folder: the ledger, the claim, the stored results."""
LEDGER = "ledger.jsonl"
COPIED = "ledger.copied"
"""Holds the print of the copy that this machine has made."""


class Row(TypedDict, total=False):
    """What is known of a file; `digest`, `duration_s` and `track` are of the content with this size and mtime."""

    size: int
    mtime_ns: int
    digest: str
    duration_s: float
    track: str
    track_number: int
    """The number of the track, from 1, if it is not the default one."""
    track_choice: str
    """The options by which it was chosen."""
    retimed: bool
    """See `AudioFile.retimed`. Missing: an earlier version, which had no such files, has opened it."""
    status: str
    error: str | None
    language: str | None
    speakers: int | None
    """How many speakers were told apart; None without diarization."""
    aligned_by: str | None
    """What timed the words."""
    key: str
    """Stands for the content and all options of its outputs."""
    pattern: str
    """Where its outputs go, in the output folder."""
    template: str
    """From which that was made."""
    options: dict[str, Any]
    """What a manifest says of it."""
    outputs: dict[str, Print]
    """By extension, of all formats that were written for it."""
    changed: dict[str, Print]
    """Those that somebody has changed, as they were found then."""


class Ledger:
    """A line of JSON for each thing learnt of a file, the last of its kind counts. One run writes at a time.

    What a crash cuts short is a line that does not count. Where the disk is full it goes on in memory: then a later
    run learns less, and no more is lost.

    An output folder that is a URL has a `copy` of it, from the begin and the end of each run, for other machines.
    """

    def __init__(self, folder: Path, copy: str | None = None) -> None:
        self.rows: dict[str, Row] = {}
        self._paths_of: defaultdict[str, set[str]] = defaultdict(set)
        self._path = folder / LEDGER
        self._copy = copy
        self._copied = folder / COPIED
        self._lock = threading.Lock()
        self._open = False
        self._torn = False
        self._read()

    def _read(self) -> None:
        lines = self._path.read_bytes().splitlines() if self._path.exists() else []
        for line in lines + self._of_another_machine():
            try:
                learnt = json.loads(line)
                path = learnt.pop("path")
            except (ValueError, KeyError, AttributeError):
                continue
            for key in {"outputs", "changed"} & learnt.keys():
                learnt[key] = {extension: (size, time) for extension, (size, time) in learnt[key].items()}
            self._learn(path, learnt)

    def _of_another_machine(self) -> list[bytes]:
        found = print_of(self._copy) if self._copy else None
        if self._copy is None or found is None or (self._copied.exists() and self._copied.read_text() == str(found)):
            return []
        return read(self._copy).splitlines()

    def share(self) -> None:
        """Let other machines know what this one does, if the output folder is one that they may write to."""
        try:
            self._put_copy()
        except (OSError, BadPlace) as error:
            logger.warning("%s: %s", self._copy, error)

    def _put_copy(self) -> None:
        if self._copy is not None and self._open:
            put({self._copy: self._path.read_bytes()})
            self._copied.write_text(str(print_of(self._copy)))

    def _learn(self, path: str, learnt: Row) -> None:
        row = self.rows.setdefault(path, Row())
        before = row.get("outputs", {}) if learnt.get("pattern", row.get("pattern")) == row.get("pattern") else {}
        row.update(learnt)
        if "outputs" in learnt:
            row["outputs"] = {**before, **learnt["outputs"]}
        if "pattern" in learnt:
            self._paths_of[learnt["pattern"]].add(path)

    def row(self, path: str) -> Row:
        """Return what is known of a file, if only its name."""
        return self.rows.get(path, Row())

    def owners(self, pattern: str) -> list[tuple[str, Row]]:
        """Return the inputs, with what is known of them, for which outputs of this pattern were written."""
        return [
            (path, self.rows[path]) for path in self._paths_of[pattern] if self.rows[path].get("pattern") == pattern
        ]

    def remembers(self, path: str, found: Print) -> bool:
        """Tell whether the content of a file is known, as git's index knows it: by path, size and mtime."""
        row = self.row(path)
        # A web server that tells no version could have changed it without a trace.
        told = found[1] != 0 or not is_url(path)
        return told and "digest" in row and (row.get("size"), row.get("mtime_ns")) == found

    def sizes(self) -> set[int]:
        """Return the sizes of all contents that are known: a file of another size is none of them."""
        return {row["size"] for row in self.rows.values() if "digest" in row}

    def digest(self, path: str, stop: threading.Event | None = None) -> Row:
        """Return the row of a file with its digest, reading it unless it is remembered.

        Raises OSError, UnreadableAudio, Stopped.
        """
        found = check_regular(path)
        if not self.remembers(path, found):
            digest = digest_of(path, stop)
            # If it changed meanwhile, the digest is remembered for a time that is over: it will be read again.
            self.note(path, size=found[0], mtime_ns=found[1], digest=digest)
        return self.row(path)

    def note(self, path: str, **learnt: Unpack[Row]) -> None:
        """Remember what was learnt of a file, also for later runs."""
        with self._lock:
            self._learn(path, learnt)
            if not self._open:
                return
            line = json.dumps({"path": path, **learnt}).encode() + b"\n"
            self._append(line)

    def _append(self, line: bytes) -> None:
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                line = b"\n" + line if self._torn else line
                self._torn = os.write(handle, line) != len(line)
            finally:
                os.close(handle)
        except OSError as error:
            self._torn = True
            logger.warning("%s: %s", self._path, error)

    def begin(self, rows: Mapping[str, Row]) -> None:
        """Note this of these files, and write the ledger anew, without what has been superseded.

        Until then nothing that is noted is written: only the run that has claimed the output folder may. Raises OSError
        or BadPlace if the output folder is a store that cannot be written to.
        """
        self._open = True
        for path, learnt in rows.items():
            self._learn(path, learnt)
        try:
            with whole_file(self._path) as file:
                os.fchmod(file.fileno(), 0o600)  # URLs in it can hold tokens
                for path, row in self.rows.items():
                    row_of_path: dict[str, Any] = {"path": path, **row}
                    file.write(json.dumps(row_of_path) + "\n")
        except OSError as error:
            logger.warning("%s: %s", self._path, error)
        self._put_copy()
