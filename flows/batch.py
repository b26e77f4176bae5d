"""The flow `whisperx-batch`: plan, start the stages, join them, report."""

import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, runtime
from prefect.states import Cancelled, Completed, Failed, State
from rich.console import Console

from flows.actor import Models
from flows.layout import place, plan_pools
from flows.plan import make_plan
from flows.pools import Pools
from flows.progress import Progress, counted, show_plan, show_summary
from flows.ray_session import RaySession, ray_session
from flows.report import Report, one_line
from flows.settings import Batch
from flows.stage_threads import StageFlow, StageThreads
from flows.stages import align_files, diarize_files, load_audio_files, transcribe_files, write_files
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
    console = Console(file=sys.stderr)
    with ThreadPoolExecutor(1) as planner:
        planning = planner.submit(make_plan, paths, batch.write)
        with ray_session(batch.run.ray_address, dashboard=batch.run.ray_dashboard) as session:
            pools = start_pools(batch, session)
            report = Report([])
            try:
                report = Report(planning.result())
                show_plan(report.files, console)
                if not pools.placed(timeout=10):
                    console.print("waiting for room in the Ray cluster: others use what the pools reserve")
                interrupted = run_stages(batch, report, pools, session, console)
            finally:
                for facts in pools.close():
                    report.model_loads.update(facts.model_loads)
                show_summary(report, console)
                if batch.run.report:
                    report.write(Path(batch.run.report))
    if interrupted:
        return Cancelled(message=f"interrupted with {report.statuses['done']} of {len(paths)} files done")
    failed = report.statuses["failed"]
    if failed:
        return Failed(message=f"{failed} of {counted(len(paths))} failed")
    return Completed(message=f"{counted(len(paths))} done")


def start_pools(batch: Batch, session: RaySession) -> Pools:
    """Start the actors, which begin to load their models. Raises CannotBePlaced."""
    specs = plan_pools(
        session.nodes,
        batch.pools,
        align=batch.align is not None,
        cross_attention=batch.align is not None and batch.align.align_model == CROSS_ATTENTION,
        diarize=batch.diarize is not None,
        use_gpus=batch.models.device != "cpu",
    )
    bundles = place(specs, session.nodes)
    for spec in specs:
        get_run_logger().info("pool %s", spec)
    return Pools(specs, bundles, Models(batch.models, batch.transcribe, batch.align, batch.diarize))


def run_stages(batch: Batch, report: Report, pools: Pools, session: RaySession, console: Console) -> bool:
    """Send the planned files through the stages. Returns True if the user interrupted them."""
    budget = batch.run.audio_budget * MEGABYTE if batch.run.audio_budget else session.object_store_bytes // 3
    budget -= budget // 20  # the object store frees what we let go of a little later
    waiting = [file for file in report.files if file.status == "waiting"]
    report.admission = admission = Admission(waiting, budget, most_files=pools.window)
    written = Stream()
    threads = StageThreads(pools, admission)
    with Progress(report, pools, console).shown() if batch.run.verbose else nullcontext():
        try:
            threads.start(wire(batch, admission, written))
            _note_written(written, report)
        except KeyboardInterrupt:
            threads.stop("interrupted")
            return True
        except BaseException as error:
            threads.stop(repr(error))
            raise
        finally:
            threads.join()
            _note_written(written, report)
    return False


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
    transcribing, aligning, diarizing = Stream(), Stream(), Stream()
    writing = Stream(feeders=2 if batch.diarize else 1)
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
        },
        write_files: {"upstream": writing, "downstream": [written], "options": batch.write},
    }
    if batch.align:
        stages[align_files] = {
            "upstream": aligning,
            "downstream": [writing],
            "options": batch.align,
            "transcribe": batch.transcribe,
            "models": batch.models,
        }
    if batch.diarize:
        stages[diarize_files] = {
            "upstream": diarizing,
            "downstream": [writing],
            "options": batch.diarize,
            "models": batch.models,
        }
    return stages
