"""Runs the files of a batch in shards: over the same pools, each in a subflow of its own if there are several.

A subflow has as many task runs as Prefect's pages and its database handle well; 100,000 files in one would not be.
"""

import contextvars
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from prefect import flow, runtime
from prefect.states import Cancelled, Completed, Failed, State

from flows.admission import Admission
from flows.planning.file_run import FileRun
from flows.pools.outcome import exception_of
from flows.reporting.artifacts import Artifacts
from flows.reporting.markdown.texts import shard_text
from flows.reporting.shards import Shard, divided
from flows.reporting.tracker import Tracker
from flows.services.task_run_states import TaskRunStates
from flows.stage_threads import StageFlow, StageThreads
from flows.streams import Stream

logger = logging.getLogger(__name__)

Wire = Callable[[list[FileRun], Stream, Stream, TaskRunStates], Mapping[StageFlow, Mapping[str, Any]]]
"""Returns the stage flows for some files with their parameters, from their first stream to their last."""


AHEAD_S = 60.0
"""So long before the last file of a shard is admitted, as it seems, the next one starts. That takes Prefect a second or
two, and half a minute if SQLite is busy: the server then refuses requests, which the client repeats after 2, 4, 8 s."""


class Admitted:
    """The files that admission lets in, for one shard after the other."""

    def __init__(self, files: Iterator[FileRun]) -> None:
        self._files = files
        self._next: FileRun | None = None
        """Of the following shard."""

    def of(self, shard: Shard) -> Iterator[FileRun]:
        """Yield the files of a shard. Only when those of the one before have ended."""
        while file := self._next or next(self._files, None):
            self._next = None if file.shard == shard.number else file
            if self._next:
                return
            yield file


class Intake(Stream):
    """The first stream of a shard: its files, as the admission that all shards share lets them in."""

    __slots__ = ("_admitted", "_before", "_shard", "_statuses", "ended", "next_may_start")

    def __init__(self, shard: Shard, admitted: Admitted, before: threading.Event, statuses: Mapping[str, int]) -> None:
        """`before` is set once the shard before has got all its files; `statuses` counts the files of all shards."""
        super().__init__()
        self._shard = shard
        self._admitted = admitted
        self._before = before
        self._statuses = statuses
        self.next_may_start = threading.Event()
        self.ended = threading.Event()
        """Set once no file of the shard is left to be admitted."""

    def drain(self) -> Iterator[FileRun]:
        """Yield the files as they are admitted."""
        self._before.wait()
        self._shard.begin()
        waiting, left = self._statuses["waiting"], {file.index: n for n, file in enumerate(reversed(self._shard.files))}
        for file in self._admitted.of(self._shard):
            yield file
            # Not those admitted: at the beginning as many enter at once as there is room for.
            finished = waiting - self._statuses["waiting"]
            if finished and (self._shard.wall_s or 0) / finished * left[file.index] < AHEAD_S:
                self.next_may_start.set()
        self.end()

    def end(self) -> None:
        """Let the next shard start, and go on."""
        self.next_may_start.set()
        self.ended.set()


class ShardWork:
    """The work of one shard. A flow parameter, and as such pickled as nothing; see Stream."""

    __slots__ = ("_threads", "_tracker", "_wire", "begun", "intake", "shard", "shards")

    def __init__(self, shard: Shard, intake: Intake, tracker: Tracker, threads: StageThreads, wire: Wire) -> None:
        self.shard = shard
        self.shards = len(tracker.shards)
        self.intake = intake
        self.begun = threading.Event()
        """Set once the shard's flow runs."""
        self._tracker = tracker
        self._threads = threads
        self._wire = wire

    def __reduce__(self) -> tuple[type[object], tuple[()]]:
        return object, ()

    def send(self) -> None:
        """Send the files through the stages, inside the current flow run; wait for them, and until Prefect knows."""
        self.begun.set()
        written, states = Stream("write"), TaskRunStates()
        stages = self._threads.start(self._wire(self.shard.files, self.intake, written, states))
        try:
            for file in written.drain():
                self._tracker.done(file, file.futures["write"].fetch())
        except BaseException as error:
            self._threads.fail(error)
        finally:
            for stage in stages:
                stage.join()
        if not self._threads.stopped:
            # One after the other for many files: what is to be sent again stays in memory until then.
            (states.confirm_at_end if self.shards == 1 else states.confirm)()

    def final_state(self) -> State[Any]:
        """Return Failed if any file of the shard failed, Cancelled if it was interrupted, else Completed."""
        statuses = self.shard.statuses
        left = statuses["waiting"]
        parts = [f"{count} {status}" for status, count in sorted(statuses.items()) if status != "waiting"]
        counts = ", ".join(parts + [f"{left} left for the next run"] * bool(left))
        message = f"{len(self.shard.files)} files: {counts}"
        if self._threads.interrupted and left:
            return Cancelled(message=message)
        if statuses["failed"] or (left and self._threads.error):
            return Failed(message=message)
        return Completed(message=message)


@flow(name="shard", flow_run_name="shard {work.shard.number} of {work.shards}", validate_parameters=False)
def run_shard(work: ShardWork) -> State[Any]:
    """Send the files of one shard through the stages, and report on them."""
    work.send()
    state = work.final_state()
    artifacts = Artifacts(runtime.flow_run.id)
    artifacts.show("report", shard_text(work.shard, work.shards), state.message or "")
    artifacts.close()
    return state


class Shards:
    """Runs shard after shard, each in a thread; the next starts before the last files of the one before are admitted.

    So the pools never run dry between two. Further ones run until their files are through, which are bounded by the
    files in flight: a file that takes very long holds up none but its own shard.
    """

    def __init__(self, files: list[FileRun], size: int, tracker: Tracker, threads: StageThreads, wire: Wire) -> None:
        self._tracker = tracker
        self._threads = threads
        self._wire = wire
        self._running: list[threading.Thread] = []
        tracker.shards = divided(files, size)

    def run(self, admission: Admission) -> None:
        """Start one shard after the other; return once all files are admitted, or the run is stopped."""
        admitted, before = Admitted(admission.drain()), threading.Event()
        before.set()
        for shard in self._tracker.shards:
            intake = Intake(shard, admitted, before, self._tracker.statuses)
            work = ShardWork(shard, intake, self._tracker, self._threads, self._wire)
            # Prefect finds the parent run, the settings and the server's address in context variables.
            run = contextvars.copy_context().run
            thread = threading.Thread(target=run, args=(self._run, work), name=f"shard {shard.number}")
            self._running.append(thread)
            thread.start()
            intake.next_may_start.wait()
            if self._threads.stopped or admission.stopped:
                return
            before = intake.ended
        before.wait()

    def _run(self, work: ShardWork) -> None:
        error: BaseException | None = None
        try:
            if work.shards == 1:
                work.send()
            else:
                error = exception_of(self._threads.call(partial(run_shard, work, return_state=True), work.begun))
        except BaseException as raised:
            error = raised
        if error and work.shard.statuses["waiting"]:
            self._threads.fail(error)
        elif error:  # its files are finished: only the report to Prefect failed
            logger.warning("the end of shard %d could not be recorded: %s", work.shard.number, error)
        work.shard.end()
        work.intake.end()

    def join(self) -> None:
        """Wait for the shards that were started."""
        for thread in self._running:
            if thread.ident:  # an interruption may have kept the last one from starting
                thread.join()
