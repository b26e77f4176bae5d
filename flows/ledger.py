"""What is known of every input file of an output folder: our own record, whatever becomes of Prefect's."""

import json
import logging
import os
import threading
from collections import defaultdict
from pathlib import Path
from typing import Any, TypedDict, Unpack

from tasks.files import digest_of, whole_file
from tasks.write import Print

logger = logging.getLogger(__name__)

FOLDER = ".whisperx-batch"
"""Inside the output folder: the ledger, the claim, the stored results."""
LEDGER = "ledger.jsonl"


class Row(TypedDict, total=False):
    """What is known of a file; `digest`, `duration_s` and `track` are of the content with this size and mtime."""

    size: int
    mtime_ns: int
    digest: str
    duration_s: float
    track: str
    status: str
    error: str | None
    language: str | None
    speakers: int | None
    """How many speakers were told apart; None without diarization."""
    key: str
    """Stands for the content and all options of its outputs."""
    stem: str
    """What its outputs' paths begin with, in the output folder."""
    outputs: dict[str, Print]
    """By extension, of all formats that were written for it."""
    changed: dict[str, Print]
    """Those that somebody has changed, as they were found then."""


class Ledger:
    """A line of JSON for each thing learnt of a file, the last of its kind counts. One run writes at a time.

    What a crash cuts short is a line that does not count. Where the disk is full it goes on in memory: then a later
    run learns less, and no more is lost.
    """

    def __init__(self, folder: Path) -> None:
        self.rows: dict[str, Row] = {}
        self._paths_of: defaultdict[str, set[str]] = defaultdict(set)
        self._path = folder / LEDGER
        self._lock = threading.Lock()
        self._open = False
        self._torn = False
        self._read()

    def _read(self) -> None:
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            try:
                learnt = json.loads(line)
                path = learnt.pop("path")
            except (ValueError, KeyError, AttributeError):
                continue
            for key in {"outputs", "changed"} & learnt.keys():
                learnt[key] = {extension: (size, time) for extension, (size, time) in learnt[key].items()}
            self._learn(path, learnt)

    def _learn(self, path: str, learnt: Row) -> None:
        row = self.rows.setdefault(path, Row())
        before = row.get("outputs", {}) if learnt.get("stem", row.get("stem")) == row.get("stem") else {}
        row.update(learnt)
        if "outputs" in learnt:
            row["outputs"] = {**before, **learnt["outputs"]}
        if "stem" in learnt:
            self._paths_of[learnt["stem"]].add(path)

    def row(self, path: str) -> Row:
        """Return what is known of a file, if only its name."""
        return self.rows.get(path, Row())

    def owners(self, stem: str) -> list[tuple[str, Row]]:
        """Return the inputs, with what is known of them, for which outputs of this stem were written."""
        return [(path, self.rows[path]) for path in self._paths_of[stem] if self.rows[path].get("stem") == stem]

    def remembers(self, path: str, status: os.stat_result) -> bool:
        """Tell whether the content of a file is known, as git's index knows it: by path, size and mtime."""
        row = self.row(path)
        return "digest" in row and (row.get("size"), row.get("mtime_ns")) == (status.st_size, status.st_mtime_ns)

    def sizes(self) -> set[int]:
        """Return the sizes of all contents that are known: a file of another size is none of them."""
        return {row["size"] for row in self.rows.values() if "digest" in row}

    def digest(self, path: str, stop: threading.Event | None = None) -> Row:
        """Return the row of a file with its digest, reading it unless it is remembered. Raises OSError, Stopped."""
        status = os.stat(path)
        if not self.remembers(path, status):
            digest = digest_of(path, stop)
            # If it changed meanwhile, the digest is remembered for a time that is over: it will be read again.
            self.note(path, size=status.st_size, mtime_ns=status.st_mtime_ns, digest=digest)
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

    def begin(self, paths: list[str], **learnt: Unpack[Row]) -> None:
        """Note the same of many files, and write the ledger anew, without what has been superseded.

        Until then nothing that is noted is written: only the run that has claimed the output folder may.
        """
        self._open = True
        for path in paths:
            self._learn(path, learnt)
        try:
            with whole_file(self._path) as file:
                for path, row in self.rows.items():
                    row_of_path: dict[str, Any] = {"path": path, **row}
                    file.write(json.dumps(row_of_path) + "\n")
        except OSError as error:
            logger.warning("%s: %s", self._path, error)
