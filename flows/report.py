"""The record of each file, and the report that they make together."""

import json
import os
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from tasks.audio import BYTES_PER_SECOND, AudioFile
from tasks.write import Written

if TYPE_CHECKING:
    from flows.stream import Admission
    from flows.task_runner import PoolFuture

Status = Literal["waiting", "done", "skipped", "failed"]


@dataclass(eq=False)
class FileRun:
    """One file's way through the batch: its futures while it is in flight, its outcome when it is finished."""

    index: int
    source: AudioFile
    stem: str
    """What its outputs' paths begin with."""
    status: Status = "waiting"
    error: str | None = None
    written: Written | None = None
    timings_s: dict[str, float] = field(default_factory=dict)
    futures: "dict[str, PoolFuture]" = field(default_factory=dict)
    running: int = 0
    """How many of its task runs are submitted and not through."""
    report: "Report" = field(init=False, repr=False)

    @property
    def decoded_bytes(self) -> int:
        """What its decoded audio takes in the object store."""
        return int(self.source.duration_s * BYTES_PER_SECOND)

    def record(self) -> dict[str, Any]:
        """Return its entry in the report."""
        unfinished = self.status == "waiting"
        return {
            "path": self.source.path,
            "status": "failed" if unfinished else self.status,
            "outputs": self.written.outputs if self.written else [],
            "error": "the run ended before this file was done" if unfinished else self.error,
            "duration_s": round(self.source.duration_s, 3),
            "timings_s": self.timings_s,
            "language": self.written.language if self.written else None,
        }


class Report:
    """What has become of every file. The stages report to it, each from a thread of its own."""

    def __init__(self, files: list[FileRun]) -> None:
        self.files = files
        self.statuses: Counter[str] = Counter(file.status for file in files)
        self.passed: Counter[str] = Counter()
        """How many files each stage is through with."""
        self.audio_s = 0.0
        """Seconds of audio in the files that are done."""
        self.model_loads: Counter[str] = Counter()
        self.admission: Admission | None = None
        self._started = time.monotonic()
        self._lock = threading.Lock()
        for file in files:
            file.report = self

    def submitting(self, file: FileRun) -> bool:
        """Say that a stage takes up a file. False if it must not: the file has failed in another branch."""
        with self._lock:
            if file.status == "waiting":
                file.running += 1
            return file.status == "waiting"

    def stage_passed(self, file: FileRun, stage: str, seconds: float) -> None:
        """Record that a stage is through with a file, done or failed."""
        with self._lock:
            file.timings_s[stage] = seconds
            self.passed[stage] += 1
            file.running -= 1
        self._let_go(file)

    def done(self, file: FileRun, written: Written) -> None:
        """Record that a file's outputs are written."""
        self._finish(file, "done", None, written)

    def failed(self, file: FileRun, error: str) -> None:
        """Record why a file has failed; of several failures the first counts."""
        self._finish(file, "failed", one_line(error), None)

    def _finish(self, file: FileRun, status: Status, error: str | None, written: Written | None) -> None:
        with self._lock:
            if file.status != "waiting":
                return
            self.statuses[file.status] -= 1
            self.statuses[status] += 1
            file.status, file.error, file.written = status, error, written
            if status == "done":
                self.audio_s += file.source.duration_s
        self._let_go(file)

    def _let_go(self, file: FileRun) -> None:
        """Free what a finished file holds, once no task run needs it any more."""
        with self._lock:
            if file.status == "waiting" or file.running:
                return
            futures, file.futures = file.futures, {}
        for future in futures.values():
            future.release()
        if self.admission:
            self.admission.release(file)

    @property
    def wall_s(self) -> float:
        """Seconds since the batch began."""
        return time.monotonic() - self._started

    def as_json(self) -> dict[str, Any]:
        """Return the report as `--report` writes it: `files`, in the order of the inputs, and `summary`."""
        records = [file.record() for file in sorted(self.files, key=lambda file: file.index)]
        statuses = Counter(record["status"] for record in records)
        return {
            "files": records,
            "summary": {
                **{status: statuses[status] for status in ("done", "skipped", "failed")},
                "wall_s": round(self.wall_s, 3),
                "audio_s": round(self.audio_s, 3),
                "model_loads": dict(self.model_loads),
            },
        }

    def write(self, path: Path) -> None:
        """Write the report, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.parent / f".whisperx-batch-{uuid4().hex}"
        with draft.open("x", encoding="utf-8") as file:
            # In ASCII: names are bytes, and those that are no UTF-8 stay what they are as escapes.
            json.dump(self.as_json(), file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)


def one_line(text: str) -> str:
    """Return the text on one line, with what a terminal would act on, or cannot show, written out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
