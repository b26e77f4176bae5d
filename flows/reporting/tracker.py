"""What has become of every file of a run."""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from uuid import UUID

from flows.config.file_overrides import FileOverrides
from flows.config.parameters import Batch
from flows.host.usage import UsageHistory
from flows.planning.file_run import FileRun, Status
from flows.planning.plan import Plan
from flows.reporting.ending import Ending
from flows.reporting.shards import Shard
from flows.state.ledger import Ledger
from flows.state.ledger_rows import Refused
from tasks.audio.types import AudioFile
from tasks.errors import one_line
from tasks.written import WriteResult

LOST = "the run ended without a result for this file, which is a fault of whisperx-batch; run the same command again"


class Tracker:
    """The outcome of every file. The stages report to it, each from its own thread.

    Outcomes are noted in the ledger at once, so that they are known also if this process is killed.
    """

    def __init__(
        self,
        files: list[FileRun],
        ledger: Ledger | None = None,
        made_with: Callable[[FileOverrides], str] | None = None,
        batch: Batch | None = None,
    ) -> None:
        """`made_with` returns the digest of a file's options and of the programs that read it."""
        self.files = files
        self._ledger = ledger
        self._made_with = made_with
        self.statuses: Counter[str] = Counter(file.status for file in files)
        self.known_failures = sum(file.failed_before for file in files)
        """How many of the failed files had failed in an earlier run, and were not tried again."""
        self.newly_failed = [file for file in files if file.status == "failed" and not file.failed_before]
        """The files that have failed in this run, in the order in which they did."""
        self.finished: Counter[str] = Counter()
        """How many files each stage has finished, done or failed."""
        self.audio_s = 0.0
        """Seconds of audio in the files that are done and were decoded for it in this run."""
        self.ending: Ending | None = None
        """Why the run ended before every file had its turn, if it did."""
        self.index: str | None = None
        """Where the index of the pages is, once it is written."""
        self.shards: list[Shard] = []
        """The shards, once the stages run: more than one for a large batch."""
        self.model_loads: Counter[str] = Counter()
        self.warm: list[str] = []
        """What stays in memory after the run, and until when: a line for each machine."""
        self.stage_s: defaultdict[str, float] = defaultdict(float)
        """Seconds that each stage has worked on files; on several at a time they add up."""
        self.stage_runs: dict[str, UUID] = {}
        """The flow run of each stage, in a run of one shard."""
        self.usage = UsageHistory()
        """How busy the machines of the run were."""
        self.batch = batch
        """What made the files; None where that is not known."""
        self.why_provisional: Callable[[], list[str]] = list
        """Returns why the provisional word times of skipped files cannot be replaced now, by language."""
        self.on_release: Callable[[FileRun], object] = lambda _: None
        """Called with each file that has an outcome and no task run left."""
        self.started = time.time()
        self._started = time.monotonic()
        self._lock = threading.Lock()

    @classmethod
    def of(cls, plan: Plan) -> "Tracker":
        """Return a tracker of a plan's files, also of those with an outcome; it notes new ones in the plan's ledger."""
        tracker = cls(plan.files, plan.ledger, plan.resume.made_with, plan.batch)
        tracker.why_provisional = plan.resume.timing.reasons
        return tracker

    def stage_started(self, file: FileRun) -> bool:
        """Record that a stage takes up a file. Returns False if it must not: the file failed in another branch."""
        with self._lock:
            if file.status == "waiting":
                file.running += 1
            return file.status == "waiting"

    def stage_finished(self, file: FileRun, stage: str, seconds: float) -> None:
        """Record that a stage has finished a file, done or failed."""
        with self._lock:
            file.timings_s[stage] = seconds
            self.finished[stage] += 1
            self.stage_s[stage] += seconds
            file.running -= 1
        self._release(file)

    def opened(self, file: FileRun, source: AudioFile) -> None:
        """Record what a file's header says, in place of estimates."""
        file.unopened = False
        file.found(source)

    def done(self, file: FileRun, written: WriteResult) -> None:
        """Record that a file's outputs are written."""
        self._finish(file, "done", None, written)

    def skipped(self, file: FileRun, written: WriteResult) -> None:
        """Record that a file's outputs were there already."""
        self._finish(file, "skipped", None, written)

    def failed(self, file: FileRun, error: str, *, lasting: bool = False) -> None:
        """Record why a file has failed; of several failures the first counts.

        A `lasting` failure is due to the file's content: later runs do not try it again until something changes.
        """
        file.lasting = lasting and file.status == "waiting"
        self._finish(file, "failed", one_line(error), None)

    def failed_before(self, file: FileRun, error: str) -> None:
        """Record that a file is not tried, since it failed in an earlier run and has not changed."""
        file.failed_before = True
        self.known_failures += 1
        self._finish(file, "failed", one_line(error), None)

    def defer(self, files: Iterable[FileRun]) -> None:
        """Leave those of these files that still wait for the next run."""
        with self._lock:
            for file in files:
                if file.status == "waiting":
                    self._set(file, "left")

    def fail_remaining(self) -> None:
        """Fail what still waits: when a run ends, every file must have an outcome."""
        for file in self.files:
            self._finish(file, "failed", LOST, None)

    def output_missing(self, file: FileRun, output: str) -> None:
        """Fail a file that was done in this run and has lost an output since."""
        with self._lock:
            self._set(file, "failed")
            self.audio_s -= file.decoded_s
            file.error = one_line(f"its output {output} was removed while the run went on; run the same command again")
            file.written = None
            self.newly_failed.append(file)
        if self._ledger:
            self._ledger.note(file.source.path, status=file.status, error=file.error)

    def _set(self, file: FileRun, status: Status) -> None:
        self.statuses[file.status] -= 1
        self.statuses[status] += 1
        file.status = status

    def _finish(self, file: FileRun, status: Status, error: str | None, written: WriteResult | None) -> None:
        with self._lock:
            if file.status != "waiting":
                return
            self._set(file, status)
            file.error, file.written = error, written
            if status == "failed" and not file.failed_before:
                self.newly_failed.append(file)
            if status == "done":
                self.audio_s += file.decoded_s
        if self._ledger:
            self._note(self._ledger, file)
        self._release(file)

    def _note(self, ledger: Ledger, file: FileRun) -> None:
        if file.status == "skipped" and ledger.row(file.source.path).get("status") in ("done", "skipped"):
            return  # nothing that it does not know already
        learnt = file.outcome()
        if file.lasting and self._made_with and file.source.size is not None:
            content = file.source.size, file.source.mtime_ns
            made_with = self._made_with(file.options)
            learnt["refused"] = Refused(content=content, made_with=made_with, error=str(file.error))
        written = file.ahead.location if file.ahead and file.status == "done" else None
        ledger.note_written(file.source.path, written, **learnt)

    def _release(self, file: FileRun) -> None:
        """Free what a finished file holds, once no task run needs it any more."""
        with self._lock:
            if file.status == "waiting" or file.running:
                return
            futures, file.futures = file.futures, {}
        for future in futures.values():
            future.release()
        self.on_release(file)

    @property
    def new_failures(self) -> int:
        """How many files have failed in this run."""
        return self.statuses["failed"] - self.known_failures

    def start_clock(self) -> None:
        """Measure the run from now: the plan may have been made before Ray and the server were started."""
        self.started, self._started = time.time(), time.monotonic()

    @property
    def wall_s(self) -> float:
        """Seconds since the batch began."""
        return time.monotonic() - self._started
