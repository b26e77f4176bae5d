"""The flow `whisperx-batch`: plan, run the stages, report."""

import time
from functools import partial
from typing import Any

from prefect import flow, get_run_logger, runtime
from prefect.states import Completed, Failed, State
from pydantic import ValidationError

from flows.config.deadline import seconds_left
from flows.config.inputs import Inputs
from flows.config.parameters import Batch
from flows.config.pools import PoolSettings
from flows.config.run import RunSettings
from flows.host.terminal import console
from flows.people.samples import enrol
from flows.pipeline import run_stages
from flows.planning.discovery import NothingToDo, read_batch_file
from flows.planning.plan import Plan
from flows.planning.selection import checked_entries
from flows.preflight.check import check_absolute, notices
from flows.preflight.models import check_models
from flows.prepared import pools_for, take_plan
from flows.reporting.artifacts import Artifacts
from flows.reporting.ending import Ending
from flows.reporting.failures import Failures
from flows.reporting.final_state import final_state
from flows.reporting.run import Run, announce, logs_forwarded, publish_outcome, publish_plan
from flows.reporting.run_name import first_name, rename
from flows.reporting.tracker import Tracker
from flows.services.deployment import deployment_id, with_deployment_options
from flows.services.engine_log import omit_tracebacks_of_final_states
from flows.services.failures import EXPECTED, in_words
from flows.services.ray_cluster.session import ray_session
from flows.state.drafts import remove_drafts
from flows.state.folder import OutputFolder
from flows.state.run_lock import exclusive_run
from tasks.align import AlignOptions
from tasks.diarize import DiarizeOptions
from tasks.models.options import ModelOptions, go_offline
from tasks.people.options import PeopleOptions
from tasks.quality.options import CheckOptions
from tasks.storage.scratch import remove_abandoned
from tasks.transcribe import TranscribeOptions
from tasks.transcribe_again import SecondPassOptions
from tasks.write import WriteOptions

OPENING_S = 5.0
"""For so long files are opened before the plan is shown, while models load; the others are when it is their turn."""


@flow(name="whisperx-batch", flow_run_name=first_name, persist_result=False)
def whisperx_batch(
    inputs: Inputs,
    write: WriteOptions = WriteOptions(),
    transcribe: TranscribeOptions = TranscribeOptions(),
    align: AlignOptions | None = AlignOptions(),
    diarize: DiarizeOptions | None = None,
    people: PeopleOptions = PeopleOptions(),
    check: CheckOptions | None = CheckOptions(),
    second_pass: SecondPassOptions | None = None,
    models: ModelOptions = ModelOptions(),
    run: RunSettings = RunSettings(),
    pools: PoolSettings = PoolSettings(),
) -> State[Any]:
    """Transcribe, align, diarize and check audio files; write each as soon as it is finished.

    Ends Completed if every file was done, or left as `stop_after` asks, Cancelled if it was interrupted, and Failed if
    any file failed or the run could not go on.
    """
    if deployment_id():
        omit_tracebacks_of_final_states()
    try:
        batch = Batch(
            inputs=inputs,
            write=write,
            transcribe=transcribe,
            align=align,
            diarize=diarize,
            people=people,
            check=check,
            second_pass=second_pass,
            models=models,
            run=run,
            pools=pools,
        )
        return _run_batch(with_deployment_options(batch))
    except NothingToDo as reason:
        return Completed(message=f"nothing to do: {reason}")
    except (*EXPECTED, ValidationError) as error:
        return Failed(message=in_words(error), data=error)


def _run_batch(batch: Batch) -> State[Any]:
    """Run the batch in the present flow run. Returns its final state; raises InvalidInput if nothing can be started."""
    _begin(batch)
    # While another run holds the folder, a command is refused; a deployment's run waits, since nobody would repeat it.
    waiting = get_run_logger().warning if deployment_id() else None
    folder = OutputFolder.of(batch)
    with logs_forwarded(), exclusive_run(folder.state_dir, runtime.flow_run.id, waiting):
        plan, tracker = take_plan() or _plan(batch, folder)
        tracker.start_clock()
        rename(len(plan.files))
        plan.begin()
        artifacts = Artifacts(runtime.flow_run.id)
        try:
            run_plan(Run(batch, plan, tracker, artifacts, Failures(tracker), console(), _began(batch)))
        finally:
            plan.ledger.share()
    return final_state(tracker)


def _begin(batch: Batch) -> None:
    """Apply what holds for the process; refuse or warn of what is wrong with the batch. Raises InvalidInput."""
    if batch.models.offline:
        go_offline()
    if deployment_id():
        check_absolute(batch, read_batch_file(batch.inputs.batch_file))
    for notice in notices(batch):
        get_run_logger().warning(notice)


def _plan(batch: Batch, folder: OutputFolder) -> tuple[Plan, Tracker]:
    entries = checked_entries(batch)
    enrol(batch, check_models)
    plan = Plan(batch, entries, folder.ledger())
    return plan, Tracker.of(plan)


def _began(batch: Batch) -> float:
    """Return the time from which `stop_after` counts.

    A time of day is the next one after the scheduled start, even if the run starts late; if somebody has the run
    retried (`prefect flow-run retry`), the next one from now.
    """
    late = ":" in (batch.run.stop_after or "") and runtime.flow_run.run_count <= 1
    return min(time.time(), runtime.flow_run.scheduled_start_time.timestamp()) if late else time.time()


def run_plan(run: Run) -> None:
    """Run the plan and report, however it ends; why it ended early is recorded in the tracker.

    If a signal asks this process to end, it reports first and then raises what the signal was turned into: SystemExit
    by the command, TerminationSignal by Prefect.
    """
    tracker = run.tracker
    try:
        _run(run)
    except KeyboardInterrupt as error:
        tracker.ending = Ending.by(error)
    except Exception as error:
        tracker.ending = tracker.ending or Ending.by(error)
        if not isinstance(error, EXPECTED):
            get_run_logger().exception("the run cannot go on")
    except BaseException as error:
        tracker.ending = Ending.by(error)
        raise
    finally:
        remove_abandoned()  # actors are killed at the end, also while they download a recording
        publish_outcome(run)


def _run(run: Run) -> None:
    plan = run.plan
    plan.recall(run.tracker)
    if not plan.needs_all_stages():
        plan.probe(run.tracker)  # only then is it known which models are needed
    if plan.stages() and _in_time(run):
        _run_ray(run)
    else:
        publish_plan(run)


def _in_time(run: Run) -> bool:
    """Return whether files may still be started; if not, leave them for the next run."""
    stop_after = run.batch.run.stop_after
    if stop_after is None or seconds_left(stop_after, run.began):
        return True
    run.tracker.defer(run.plan.files)
    return False


def _run_ray(run: Run) -> None:
    """Start the pools; open new files while they load their models; then send the files through them."""
    settings = run.batch.run
    check_models(run.batch, run.plan.stages(), run.plan.languages())
    with ray_session(settings.ray_address, dashboard=settings.ray_dashboard) as session:
        pools = pools_for(run.batch, session, run.plan, partial(announce, run))
        try:
            run.plan.probe(run.tracker, OPENING_S)
            _remove_drafts(run)
            publish_plan(run)
            run_stages(run, pools)
        finally:
            for facts in pools.close():
                run.tracker.model_loads.update(facts.model_loads)
            run.tracker.warm = [str(kept) for kept in pools.kept]
            _remove_drafts(run)  # of processes that have died during the run


def _remove_drafts(run: Run) -> None:
    remove_drafts(OutputFolder.of(run.batch).state_dir, [file.output for file in run.plan.files])
