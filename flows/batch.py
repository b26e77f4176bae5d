"""The flow `whisperx-batch`: plan, start the stages, join them, report."""

import sys
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, runtime
from prefect.states import Cancelled, Completed, Failed, State
from rich.console import Console

from flows.actor import Models
from flows.cancellation import noticing_cancellation
from flows.claim import claimed
from flows.layout import place, plan_pools
from flows.ledger import Ledger
from flows.plan import Plan, remove_drafts
from flows.pools import Pools
from flows.progress import Progress, counted, show_plan, show_summary
from flows.ray_session import RaySession, ray_session
from flows.report import Report, one_line
from flows.settings import Batch
from flows.stage_threads import StageFlow, StageThreads
from flows.stages import Keeping, align_files, diarize_files, load_audio_files, transcribe_files, write_files
from flows.stream import Admission, Stream
from tasks.align import CROSS_ATTENTION

MEGABYTE = 1_000_000


def _run_name() -> str:
    batch = Batch.model_validate(runtime.flow_run.parameters["batch"])
    inputs = [batch.inputs.batch_file] if batch.inputs.batch_file else batch.inputs.inputs
    return one_line(f"{', '.join(inputs[:2])}{' …' if inputs[2:] else ''} → {batch.write.output_dir}")[:200]


@flow(name="whisperx-batch", flow_run_name=_run_name, persist_result=False)
def whisperx_batch(batch: Batch) -> State[Any]:
    """Transcribe, align and diarize audio files; write each as soon as it is finished.

    Ends Completed if every file was done, Failed if any was not, Cancelled if it was interrupted.
    """
    paths = batch.check()
    with claimed(batch.own_folder(), runtime.flow_run.id):
        ledger = Ledger(batch.own_folder())
        plan = Plan(batch, paths, ledger)
        ledger.begin([file.source.path for file in plan.files], status="waiting", error=None)
        interrupted = run_plan(plan, batch, Console(file=sys.stderr))
    statuses = plan.report.statuses
    counts = ", ".join(f"{statuses[status]} {status}" for status in ("done", "skipped", "failed") if statuses[status])
    message = f"{counted(len(plan.files))}: {counts or 'nothing done'}"
    if interrupted:
        return Cancelled(message=f"{interrupted}; {message}")
    return Failed(message=message) if statuses["failed"] else Completed(message=message)


def run_plan(plan: Plan, batch: Batch, console: Console) -> str | None:
    """Do what is to be done, and report. Returns what interrupted it, if something did."""
    report = plan.report
    try:
        plan.recall()
        with ThreadPoolExecutor(1) as planner:
            probing = planner.submit(plan.probe)
            try:
                if not plan.needs_all_stages():
                    probing.result()  # it takes that to know which models are needed at all
                return _run_ray(plan, batch, probing, console) if plan.stages() else None
            except BaseException:
                plan.resume.stop()
                raise
    finally:
        show_summary(report, console)
        if batch.run.report:
            report.write(Path(batch.run.report))


def _run_ray(plan: Plan, batch: Batch, probing: Future[None], console: Console) -> str | None:
    """Start the pools while the new files are opened; then send what is to be done through them."""
    with ray_session(batch.run.ray_address, dashboard=batch.run.ray_dashboard) as session:
        pools = start_pools(batch, session, plan.stages())
        try:
            probing.result()
            _begin(plan, batch, pools, console)
            return run_stages(batch, plan, pools, session, console)
        finally:
            for facts in pools.close():
                plan.report.model_loads.update(facts.model_loads)


def _begin(plan: Plan, batch: Batch, pools: Pools, console: Console) -> None:
    plan.note_durations()
    remove_drafts(batch.own_folder(), plan.files)
    if batch.run.report:
        try:
            # Should this process be killed, the report is that of this run, and of no earlier one.
            plan.report.write(Path(batch.run.report))
        except OSError as error:
            console.print(f"--report {batch.run.report}: {error.strerror}", markup=False)
    show_plan(plan.files, console)
    if not pools.placed(timeout=10):
        console.print("waiting for room in the Ray cluster: others use what the pools reserve")


def start_pools(batch: Batch, session: RaySession, stages: frozenset[str]) -> Pools:
    """Start the actors, which begin to load the models of these stages. Raises CannotBePlaced."""
    specs = plan_pools(
        session.nodes,
        batch.pools,
        stages,
        cross_attention=batch.align is not None and batch.align.align_model == CROSS_ATTENTION,
        use_gpus=batch.models.device != "cpu",
    )
    bundles = place(specs, session.nodes)
    for spec in specs:
        get_run_logger().info("pool %s", spec)
    models = Models(batch.models, batch.transcribe, batch.align, batch.diarize)
    return Pools(specs, bundles, models, batch.run.stage_timeout)


def run_stages(batch: Batch, plan: Plan, pools: Pools, session: RaySession, console: Console) -> str | None:
    """Send the planned files through the stages. Returns what interrupted them, if something did."""
    report = plan.report
    budget = batch.run.audio_budget * MEGABYTE if batch.run.audio_budget else session.object_store_bytes // 3
    budget -= budget // 20  # the object store frees what we let go of a little later
    remaining = plan.resume.remaining(plan.waiting())
    report.admission = admission = Admission(remaining, budget, most_files=pools.window)
    written = Stream("write")
    threads = StageThreads(pools, admission)
    with (
        Progress(report, pools, console).shown() if batch.run.verbose else nullcontext(),
        noticing_cancellation(runtime.flow_run.id, threads.interrupt),
    ):
        try:
            threads.start(wire(batch, admission, written))
            _note_written(written, report)
        except KeyboardInterrupt:
            threads.interrupt("interrupted")
        except BaseException as error:
            threads.stop(repr(error))
            raise
        finally:
            plan.resume.stop()
            threads.join()
            _note_written(written, report)
    return threads.interrupted


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
    keeping = Keeping(batch.results_folder(), refresh=batch.run.overwrite)
    stages: dict[StageFlow, dict[str, Any]] = {
        load_audio_files: {
            "upstream": admission,
            "downstream": [transcribing, diarizing] if batch.diarize else [transcribing],
        },
        transcribe_files: {
            "upstream": transcribing,
            "downstream": [aligning if batch.align else writing],
            "options": batch.transcribe,
            "models": batch.models,
            "keeping": keeping,
        },
        write_files: {
            "upstream": writing,
            "downstream": [written],
            "options": batch.write,
            "last": last,
            "diarized": batch.diarize is not None,
            "keeping": keeping,
        },
    }
    if batch.align:
        stages[align_files] = {
            "upstream": aligning,
            "downstream": [writing],
            "options": batch.align,
            "transcribe": batch.transcribe,
            "models": batch.models,
            "keeping": keeping,
        }
    if batch.diarize:
        stages[diarize_files] = {
            "upstream": diarizing,
            "downstream": [writing],
            "options": batch.diarize,
            "models": batch.models,
            "keeping": keeping,
        }
    return stages
