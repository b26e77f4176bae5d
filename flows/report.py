"""The record of each file, and the report that they make together."""

import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from flows.bad_input import one_line
from flows.file_options import AS_THE_BATCH, FileOptions
from flows.layout import STAGES
from flows.ledger import Ledger, Row
from tasks import places
from tasks.audio import BYTES_PER_SECOND, AudioFile
from tasks.results import StoredResult
from tasks.write import Earlier, Written, output_path

if TYPE_CHECKING:
    from flows.stream import Admission
    from flows.task_runner import PoolFuture

Status = Literal["waiting", "done", "skipped", "failed", "left"]
ENDED_BEFORE = "the run ended before this file was done"


@dataclass(eq=False)
class FileRun:
    """One file's way through the batch: its futures while it is in flight, its outcome when it is finished."""

    index: int
    source: AudioFile
    pattern: str
    """Where its outputs go; {language} and {format} are open in it."""
    options: FileOptions = AS_THE_BATCH
    status: Status = "waiting"
    error: str | None = None
    written: Written | None = None
    timings_s: dict[str, float] = field(default_factory=dict)
    missing: frozenset[str] = frozenset(STAGES)
    """The stages that it still has to go through."""
    earlier: Earlier | None = None
    """What earlier runs wrote for it; None if that does not matter."""
    place: tuple[str, str] = ("", "")
    """The template, and the pattern as the ledger has it: in the output folder, wherever that lies."""
    key: str = ""
    """Stands for its content and all options of its outputs, once it is read."""
    futures: "dict[str, PoolFuture]" = field(default_factory=dict)
    running: int = 0
    """How many of its task runs are submitted and not through."""
    report: "Report" = field(init=False, repr=False)

    @property
    def decoded_bytes(self) -> int:
        """What its decoded audio takes in the object store."""
        return int(self.source.duration_s * BYTES_PER_SECOND) if "load audio" in self.missing else 0

    def result_of(self, stage: str, results: str) -> "PoolFuture | StoredResult":
        """Return what the stage made of it: in this run, or in an earlier one, in the folder `results`."""
        return self.futures.get(stage) or StoredResult(results, self.source.keys[stage])

    def outputs(self) -> list[str]:
        """Return the paths of its outputs, once it is done."""
        if not self.written:
            return []
        extensions = [*self.written.outputs, *self.written.changed]
        return [output_path(self.pattern, self.written.language, extension) for extension in extensions]

    def outcome(self) -> Row:
        """Return what the ledger is to know of its end."""
        row = Row(status=self.status, error=self.error)
        if self.written:
            row |= Row(
                key="" if self.written.provisional else self.key,
                template=self.place[0],
                pattern=self.place[1],
                outputs=self.written.outputs,
                changed=self.written.changed,
                language=self.written.language,
                speakers=self.written.speakers,
                aligned_by=self.written.aligned_by,
            )
        return row

    def record(self) -> dict[str, Any]:
        """Return its entry in the report."""
        status, error = ("failed", ENDED_BEFORE) if self.status == "waiting" else (self.status, self.error)
        return {
            "path": places.shown(self.source.path),
            "status": status,
            "outputs": self.outputs(),
            "error": error,
            "duration_s": round(self.source.duration_s, 3),
            "timings_s": self.timings_s,
            "language": self.written.language if self.written else None,
            "speakers": self.written.speakers if self.written else None,
            "aligned_by": self.written.aligned_by if self.written else None,
        }


class Report:
    """What has become of every file. The stages report to it, each from a thread of its own.

    What becomes of a file goes into the ledger at once: that tells it also if this process is killed.
    """

    def __init__(self, files: list[FileRun], ledger: Ledger | None = None) -> None:
        self.files = files
        self._ledger = ledger
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

    def skipped(self, file: FileRun, written: Written) -> None:
        """Record that a file's outputs were there already."""
        self._finish(file, "skipped", None, written)

    def failed(self, file: FileRun, error: str) -> None:
        """Record why a file has failed; of several failures the first counts."""
        self._finish(file, "failed", one_line(error), None)

    def leave_the_rest(self) -> None:
        """Record that what is not done is left for the next run, as it was asked to be."""
        with self._lock:
            for file in self.files:
                if file.status == "waiting":
                    file.status = "left"
            self.statuses["left"] = self.statuses.pop("waiting", 0)

    def _finish(self, file: FileRun, status: Status, error: str | None, written: Written | None) -> None:
        with self._lock:
            if file.status != "waiting":
                return
            self.statuses[file.status] -= 1
            self.statuses[status] += 1
            file.status, file.error, file.written = status, error, written
            if status == "done":
                self.audio_s += file.source.duration_s
        if self._ledger:
            self._ledger.note(file.source.path, **file.outcome())
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
        return {"files": records, "summary": self.summary()}

    def summary(self) -> dict[str, Any]:
        """Return the counts and totals; a file that is still waiting counts as failed, as its record has it."""
        counts = {status: self.statuses[status] for status in ("done", "skipped", "failed", "left")}
        counts["failed"] += self.statuses["waiting"]
        return {
            **counts,
            "wall_s": round(self.wall_s, 3),
            "audio_s": round(self.audio_s, 3),
            "model_loads": dict(self.model_loads),
        }

    def write(self, place: str) -> None:
        """Write the report, whole or not at all."""
        # In ASCII: names are bytes, and those that are no UTF-8 stay what they are as escapes.
        places.put({places.absolute(place): json.dumps(self.as_json(), indent=2).encode()})
