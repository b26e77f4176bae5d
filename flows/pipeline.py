"""The stages of a run: joined by streams, started side by side, fed with files, and waited for."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from threading import Event
from typing import Any

from prefect import runtime

from flows.admission import Admission
from flows.config.deadline import calling_after, seconds_left
from flows.config.parameters import Batch
from flows.links import Links, ResultPolicy
from flows.planning.file_run import FileRun
from flows.planning.read_ahead import remaining
from flows.pools.group import Pools
from flows.reporting.console import counted
from flows.reporting.ending import Ending
from flows.reporting.live import Progress
from flows.reporting.run import Run
from flows.reporting.tracker import Tracker
from flows.services.cancellation import noticing_cancellation
from flows.services.failures import in_words
from flows.services.task_run_states import TaskRunStates
from flows.shards import Shards
from flows.stage_threads import StageFlow, StageThreads
from flows.stages import (
    align_files,
    align_files_again,
    check_files,
    check_files_again,
    diarize_files,
    load_audio_files,
    transcribe_files,
    transcribe_files_again,
    write_files,
)
from flows.state.folder import OutputFolder
from flows.state.throughput import note_speed
from flows.streams import Stream
from tasks.stage_table import inputs_of


def run_stages(run: Run, pools: Pools) -> None:
    """Send the planned files through the stages; an interruption is recorded as the tracker's ending.

    Raises the error that breaks them: models that do not load, Ray or a stage that fails.
    """
    settings, plan, tracker = run.batch.run, run.plan, run.tracker
    waiting = plan.waiting()
    files = remaining(waiting, partial(plan.identify, tracker))
    admission = Admission(files, pools, refuse=tracker.failed)
    tracker.on_release = admission.release
    threads = StageThreads(pools, admission, plan.resume.stopped)
    shards = Shards(waiting, settings.shard_size, tracker, threads, partial(wire, run.batch, tracker))
    progress = Progress(tracker, pools, run.console)
    own_runs = list(filter(None, (runtime.flow_run.id, runtime.flow_run.parent_flow_run_id)))
    with (
        progress.shown() if settings.verbose else nullcontext(),
        run.artifacts.following(progress, partial(_look, run, pools)),
        noticing_cancellation(own_runs, threads.interrupt),
        _stopping(run, pools, admission),
    ):
        try:
            shards.run(admission)
            shards.join()  # most of a small run's time: a signal that comes here must stop the stages, too
        except KeyboardInterrupt:
            threads.interrupt("interrupted")
        except BaseException as error:
            threads.stop(in_words(error))
            raise
        finally:
            plan.resume.stopped.set()
            shards.join()
    if "transcribe" in pools.stages:  # a run that only checks old transcripts is many times faster
        seconds = progress.seconds - pools.waited_s
        note_speed(OutputFolder.of(run.batch).state_dir, plan.resume.options, tracker.audio_s, seconds)
    if threads.interrupted:
        tracker.ending = Ending(threads.interrupted, interrupted=True)
    elif threads.error:
        raise threads.error


def _look(run: Run, pools: Pools) -> None:
    """Report new failures, and note how busy the machines are."""
    run.failures.report()
    run.tracker.usage.add(pools.usage())


@contextmanager
def _stopping(run: Run, pools: Pools, admission: Admission) -> Iterator[None]:
    """Admit no more files after the time that `stop_after` names; those not begun then are left for the next run.

    Those begun are finished, unless the pools still wait for room in the cluster, which may take hours.
    """
    stop_after = run.batch.run.stop_after
    if stop_after is None:
        yield
        return
    reached, tracker = Event(), run.tracker

    def stop() -> None:
        reached.set()
        admission.stop()
        run.plan.resume.stopped.set()
        if not pools.wait_placed(timeout=0):
            pools.cancel(f"--stop_after {stop_after} was reached before there was room in the cluster")
            for file in tracker.files:
                file.begun = False

    with calling_after(seconds_left(stop_after, run.began), stop):
        yield
    if reached.is_set():
        tracker.defer(file for file in tracker.files if not file.begun)


def wire(
    batch: Batch, tracker: Tracker, files: list[FileRun], admitted: Stream, written: Stream, states: TaskRunStates
) -> Mapping[StageFlow, Mapping[str, Any]]:
    """Return the stage flows for these files with their parameters, joined by streams as tasks/stage_table.py says.

                           ┌── transcribe ── align ──┐
    admitted ─── load audio                          check ── write ── written
                           └──────── diarize ────────┘

    With a second pass, `transcribe again`, `align again` and `check again` are between check and write.
    """
    models = {"models": batch.models}
    parameters: dict[StageFlow, Mapping[str, Any]] = {
        load_audio_files: {},
        transcribe_files: {"options": batch.transcribe, **models},
        align_files: {"options": batch.align, "transcribe": batch.transcribe, **models},
        diarize_files: {"options": batch.diarize, **models},
        check_files: {"options": batch.check, "transcribe": batch.transcribe, "diarize": batch.diarize},
        transcribe_files_again: {"options": batch.second_pass, "transcribe": batch.transcribe, **models},
        align_files_again: {"options": batch.align, "transcribe": batch.transcribe, **models},
        check_files_again: {"options": batch.check, "transcribe": batch.transcribe, "diarize": batch.diarize},
        write_files: {
            "options": batch.write,
            "transcribe": batch.transcribe,
            "align": batch.align,
            "diarize": batch.diarize,
            "people": batch.people,
            "second_pass": batch.second_pass,
        },
    }
    planned = batch.stages(diarize=batch.diarize is not None)
    stages = [stage for stage in parameters if stage.name in planned]
    feeders = {stage.name: [each for each in inputs_of(stage.name, planned).values() if each] for stage in stages}
    streams = {name: Stream(*names) if names else admitted for name, names in feeders.items()}
    results = ResultPolicy(OutputFolder.of(batch).results, refresh=batch.run.overwrite)

    def links(stage: str) -> Links:
        downstream = [stream for after, stream in streams.items() if stage in feeders[after]]
        planned = counted(sum(stage in file.missing for file in files))
        return Links(streams[stage], downstream or [written], tracker, results, states, planned)

    return {stage: {"links": links(stage.name), **parameters[stage]} for stage in stages}
