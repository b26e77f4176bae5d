"""What has become of every file, and the report of it."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from flows.config.file_overrides import FileOptions
from flows.planning.file_run import FileRun, Status
from flows.reporting.ending import Ending
from flows.state.ledger import Ledger
from flows.state.ledger_rows import Refused
from tasks.bad_input import one_line
from tasks.storage import io, urls
from tasks.write import Written

if TYPE_CHECKING:
    from flows.streams import Admission

LOST = "the run ended without a result for this file, which is a fault of whisperx-batch; run the same command again"


class Report:
    """What has become of every file. The stages report to it, each from a thread of its own.

    What becomes of a file goes into the ledger at once: that tells it also if this process is killed.
    """

    def __init__(
        self,
        files: list[FileRun],
        ledger: Ledger | None = None,
        made_with: Callable[[FileOptions], str] | None = None,
    ) -> None:
        """`made_with` tells what stands for the options of a file and for the programs that read it."""
        self.files = files
        self._ledger = ledger
        self._made_with = made_with
        self.statuses: Counter[str] = Counter(file.status for file in files)
        self.known_failures = 0
        """How many of the failed files had failed in an earlier run, and were not tried again."""
        self.passed: Counter[str] = Counter()
        """How many files each stage is through with."""
        self.audio_s = 0.0
        """Seconds of audio in the files that are done and were decoded for it in this run."""
        self.through_s = 0.0
        """Seconds of audio in all files that have an outcome."""
        self.ending: Ending | None = None
        """Why the run ended before every file had its turn, if it did."""
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

    def failed(self, file: FileRun, error: str, *, lasting: bool = False) -> None:
        """Record why a file has failed; of several failures the first counts.

        If that is in its content, it will be `lasting`: later runs do not try it again until something changes.
        """
        file.lasting = lasting and file.status == "waiting"
        self._finish(file, "failed", one_line(error), None)

    def failed_before(self, file: FileRun, error: str) -> None:
        """Record that a file is not tried: it has failed in an earlier run, and nothing has changed."""
        file.failed_before = True
        self.known_failures += 1
        self._finish(file, "failed", one_line(error), None)

    def leave(self, files: Iterable[FileRun]) -> None:
        """Record that those of these files that still wait are left for the next run."""
        with self._lock:
            for file in files:
                if file.status == "waiting":
                    self._set(file, "left")

    def fail_the_rest(self) -> None:
        """Fail what still waits: when a run ends, every file must have an outcome."""
        for file in self.files:
            self._finish(file, "failed", LOST, None)

    def output_is_gone(self, file: FileRun, output: str) -> None:
        """Record that a file that was done in this run has lost an output since."""
        with self._lock:
            self._set(file, "failed")
            self.audio_s -= file.decoded_s
            file.error = one_line(f"its output {output} was removed while the run went on; run the same command again")
            file.written = None
        if self._ledger:
            self._ledger.note(file.source.path, status=file.status, error=file.error)

    def _set(self, file: FileRun, status: Status) -> None:
        if file.status == "waiting":
            self.through_s += file.source.duration_s
        self.statuses[file.status] -= 1
        self.statuses[status] += 1
        file.status = status

    def _finish(self, file: FileRun, status: Status, error: str | None, written: Written | None) -> None:
        with self._lock:
            if file.status != "waiting":
                return
            self._set(file, status)
            file.error, file.written = error, written
            if status == "done":
                self.audio_s += file.decoded_s
        if self._ledger:
            self._note(self._ledger, file)
        self._let_go(file)

    def _note(self, ledger: Ledger, file: FileRun) -> None:
        learnt = file.outcome()
        if file.lasting and self._made_with and file.source.size is not None:
            content = file.source.size, file.source.mtime_ns
            made_with = self._made_with(file.options)
            learnt["refused"] = Refused(content=content, made_with=made_with, error=str(file.error))
        written = file.ahead.location if file.ahead and file.status == "done" else None
        ledger.note_written(file.source.path, written, **learnt)

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
    def new_failures(self) -> int:
        """How many files have failed in this run."""
        return self.statuses["failed"] - self.known_failures

    def start_clock(self) -> None:
        """Measure the run from now: the plan may have been made before Ray and the server were started."""
        self._started = time.monotonic()

    @property
    def wall_s(self) -> float:
        """Seconds since the batch began."""
        return time.monotonic() - self._started

    def as_json(self) -> dict[str, Any]:
        """Return the report as `--report` writes it: `files`, in the order of the inputs, and `summary`."""
        records = [file.record() for file in sorted(self.files, key=lambda file: file.index)]
        return {"files": records, "summary": self.summary()}

    def summary(self) -> dict[str, Any]:
        """Return the counts, the totals, and why the run ended early, if it did."""
        return {
            **{status: self.statuses[status] for status in ("done", "skipped", "failed", "left", "waiting")},
            "failed_before": self.known_failures,
            "ended_early": self.ending.reason if self.ending else None,
            "wall_s": round(self.wall_s, 3),
            "audio_s": round(self.audio_s, 3),
            "model_loads": dict(self.model_loads),
        }

    def write(self, place: str) -> None:
        """Write the report, whole or not at all."""
        # In ASCII: names are bytes, and those that are no UTF-8 stay what they are as escapes.
        io.write_all({urls.absolute(place): json.dumps(self.as_json(), indent=2).encode()})
