"""The stages of a run, joined by streams: started side by side, fed, and joined."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from threading import Event
from typing import Any

from prefect import runtime

from flows.config.deadline import calling_after, seconds_left
from flows.config.parameters import Batch
from flows.planning.read_ahead import remaining
from flows.pools.group import Pools
from flows.reporting.console import Progress
from flows.reporting.ending import Ending
from flows.reporting.run import Run
from flows.reporting.tracker import Report
from flows.services.cancellation import noticing_cancellation
from flows.services.failures import in_words
from flows.services.ray_cluster import RaySession
from flows.stage_threads import StageFlow, StageThreads
from flows.stages import Keeping, align_files, diarize_files, load_audio_files, transcribe_files, write_files
from flows.state.folder import OutputFolder
from flows.state.throughput import note_speed
from flows.streams import MEGABYTE, Admission, Stream


def run_stages(run: Run, pools: Pools, session: RaySession) -> None:
    """Send the planned files through the stages; what interrupts them is put into the report.

    Raises what breaks them: models that do not load, Ray or a stage that fails.
    """
    settings, plan, report = run.batch.run, run.plan, run.plan.report
    budget = settings.audio_budget * MEGABYTE if settings.audio_budget else session.object_store_bytes // 3
    budget -= budget // 20  # the object store frees what we let go of a little later
    left = remaining(plan.waiting(), plan.resume)
    largest = max(budget, session.object_store_bytes)
    report.admission = admission = Admission(left, budget, largest, most_files=lambda: pools.max_in_flight)
    written = Stream("write")
    threads = StageThreads(pools, admission)
    progress = Progress(report, pools, run.console)
    with (
        progress.shown() if settings.verbose else nullcontext(),
        run.artifacts.following(progress),
        noticing_cancellation(runtime.flow_run.id, threads.interrupt),
        _stopping(run, pools, admission),
    ):
        try:
            threads.start(wire(run.batch, admission, written))
            _note_written(written, report)
        except KeyboardInterrupt:
            threads.interrupt("interrupted")
        except BaseException as error:
            threads.stop(in_words(error))
            raise
        finally:
            plan.resume.stop()
            threads.join()
            _note_written(written, report)
    note_speed(
        OutputFolder.of(run.batch).state_dir, plan.resume.options, report.audio_s, progress.seconds - pools.waited_s
    )
    if threads.interrupted:
        report.ending = Ending(threads.interrupted, interrupted=True)
    elif threads.error:
        raise threads.error


@contextmanager
def _stopping(run: Run, pools: Pools, admission: Admission) -> Iterator[None]:
    """Admit no more files after the time that `stop_after` names; those that were not begun then are left.

    Those that were begun are finished, unless the pools still wait for room in the cluster: that may take hours.
    """
    stop_after = run.batch.run.stop_after
    if stop_after is None:
        yield
        return
    reached, report = Event(), run.plan.report

    def stop() -> None:
        reached.set()
        admission.stop()
        run.plan.resume.stop()
        if not pools.wait_placed(timeout=0):
            pools.cancel(f"--stop_after {stop_after} was reached before there was room in the cluster")
            for file in report.files:
                file.begun = False

    with calling_after(seconds_left(stop_after, run.began), stop):
        yield
    if reached.is_set():
        report.leave(file for file in report.files if not file.begun)


def _note_written(written: Stream, report: Report) -> None:
    """Note each file as done when its outputs are written, until the stream ends."""
    for file in written.drain():
        report.done(file, file.futures["write"].fetch())


def wire(batch: Batch, admission: Admission, written: Stream) -> Mapping[StageFlow, Mapping[str, Any]]:
    """Return the stages that the batch needs with their parameters, joined by streams.

                           ┌── transcribe ── align ──┐
    admission ── load audio                          write ── written
                           └──────── diarize ────────┘
    """
    transcribing, diarizing, aligning = Stream("load audio"), Stream("load audio"), Stream("transcribe")
    last = "align" if batch.align else "transcribe"
    writing = Stream(last, "diarize") if batch.diarize else Stream(last)
    keeping = Keeping(OutputFolder.of(batch).results, refresh=batch.run.overwrite)
    with_models = {"models": batch.models, "keeping": keeping}
    stages: dict[StageFlow, dict[str, Any]] = {
        load_audio_files: {
            "upstream": admission,
            "downstream": [transcribing, diarizing] if batch.diarize else [transcribing],
        },
        transcribe_files: {
            "upstream": transcribing,
            "downstream": [aligning if batch.align else writing],
            "options": batch.transcribe,
            **with_models,
        },
        write_files: {
            "upstream": writing,
            "downstream": [written],
            "options": batch.write,
            "last": last,
            "diarize": batch.diarize,
            "keeping": keeping,
        },
    }
    if batch.align:
        stages[align_files] = {
            "upstream": aligning,
            "downstream": [writing],
            "options": batch.align,
            "transcribe": batch.transcribe,
            **with_models,
        }
    if batch.diarize:
        stages[diarize_files] = {
            "upstream": diarizing,
            "downstream": [writing],
            "options": batch.diarize,
            **with_models,
        }
    return stages
