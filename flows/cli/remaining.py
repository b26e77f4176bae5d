"""What a command does without Prefect and Ray: it finds out what remains to be done, and does what needs no model."""

import sys
import time
from math import inf
from typing import Any

from rich.console import Console

from flows.cli.exit_status import INTERRUPTED, exit_status
from flows.config.deadline import seconds_left
from flows.config.inputs import Entry
from flows.config.parameters import Batch
from flows.host.terminal import console, say, wait_for, waiting
from flows.people.samples import VOICE_STAGES, new_samples
from flows.planning.file_run import FileRun
from flows.planning.plan import Plan
from flows.planning.resume import reason
from flows.preflight.models import check_models
from flows.reporting.console import provisional_line, show_estimate, show_plan, show_summary
from flows.reporting.ending import Ending
from flows.reporting.index.page import publish_index
from flows.reporting.outputs_check import fail_missing_outputs
from flows.reporting.report import write_report
from flows.reporting.tracker import Tracker
from flows.state.drafts import remove_drafts
from flows.state.folder import OutputFolder
from flows.state.throughput import expected
from tasks.errors import one_line, will_last
from tasks.people.labels import Naming, naming_of
from tasks.retries import retry
from tasks.stage_table import SECOND_PASS
from tasks.write import write

LOOKING = "looking at the files"
OPENING_S = 0.5
"""For so long new files are opened before anything starts; the others are opened while models load."""


def show(batch: Batch, entries: list[Entry]) -> int:
    """Show what would be done with each file. Returns 1 if every file is refused, else 0.

    Raises InvalidInput, afterwards, if a model of the stages that are left cannot be loaded or fetched.
    """
    folder = OutputFolder.of(batch)
    with waiting(LOOKING):
        plan = Plan(batch, entries, folder.ledger())
        tracker = Tracker.of(plan)
        plan.recall(tracker)
        plan.probe(tracker)
    console = Console()
    show_plan(plan.files, console, every_file=True)
    if provisional := provisional_line(tracker):
        say(provisional, console)
    if "transcribe" in plan.stages():  # else it takes no time that an earlier run could tell
        show_estimate(expected(folder.state_dir, plan.resume.options, plan.audio_left()), console)
    new = new_samples(batch)
    for sample in new:
        say(f"voice   {sample.name}: new sample {one_line(sample.file)}", console)
    check_models(batch, plan.stages() | (VOICE_STAGES if new else frozenset()), plan.languages())
    return int(all(file.status == "failed" for file in plan.files))


def plan_remaining(batch: Batch, plan: Plan, tracker: Tracker) -> None:
    """Let the plan find out which stages are needed.

    New files are all opened only if that decides it, else for a moment: perhaps none of them can be read. Raises
    InvalidInput if a model of these stages cannot be loaded or fetched.
    """
    with waiting(LOOKING, quiet=not batch.run.verbose):
        plan.recall(tracker)
        plan.probe(tracker, seconds=OPENING_S if plan.needs_all_stages() else inf)
        check_models(batch, plan.stages(), plan.languages())


def report_nothing_remains(batch: Batch, plan: Plan, tracker: Tracker, console: Console) -> None:
    """Report, and keep what was learnt of the files."""
    plan.ledger.begin({})
    plan.ledger.share()
    show_summary(tracker, console)
    publish_index(batch, plan.ledger, tracker, console)
    if batch.run.report:
        write_report(tracker, batch.run.report)


def write_again(batch: Batch, plan: Plan, tracker: Tracker) -> int:
    """Write the outputs of the plan's files, report, and return the exit status. The caller holds the run lock.

    Told to end by a signal, or by Ctrl-C, it reports first; the files that are left are done by the next run.
    """
    began, quiet = time.time(), not batch.run.verbose
    plan.begin()
    remove_drafts(OutputFolder.of(batch).state_dir, [file.output for file in plan.files])
    tracker.ending = Ending("told to end by a signal", interrupted=True)
    try:
        with waiting("writing", quiet=quiet, logged=True):
            _write_files(batch, plan, tracker, began)
        tracker.ending = None
    except KeyboardInterrupt:
        tracker.ending = Ending("interrupted", interrupted=True)
    except Exception as error:
        tracker.ending = Ending(reason(error))
    finally:
        tracker.defer(tracker.files)
        fail_missing_outputs(tracker)
        plan.ledger.share()
        show_summary(tracker, console())
        publish_index(batch, plan.ledger, tracker, console())
        if batch.run.report:
            write_report(tracker, batch.run.report)
    if tracker.ending:
        sys.stderr.write(f"whisperx-batch: {tracker.ending.advice}\n")
        return INTERRUPTED if tracker.ending.interrupted else 1
    return exit_status(tracker.new_failures, tracker.known_failures)


def _write_files(batch: Batch, plan: Plan, tracker: Tracker, began: float) -> None:
    naming, files = naming_of(batch.people), plan.waiting()
    for number, file in enumerate(files):
        if batch.run.stop_after and not seconds_left(batch.run.stop_after, began):
            return
        wait_for(f"writing: {number} of {len(files)} files")
        _write(batch, file, tracker, naming)


def _write(batch: Batch, file: FileRun, tracker: Tracker, naming: Naming | None) -> None:
    """Write the outputs of one file, or record why that failed."""
    started = time.monotonic()
    second_pass = batch.second_pass if SECOND_PASS & file.stages else None
    inputs: dict[str, Any] = file.inputs_of("write", OutputFolder.of(batch).results)
    tracker.stage_started(file)
    try:
        written = retry(
            lambda: write.fn(
                file=file.source,
                output=file.output,
                options=batch.write,
                previous=file.previous,
                ahead=file.ahead,
                made_with=file.used_options.made_with(batch.transcribe, batch.align, batch.diarize, second_pass),
                naming=naming,
                **{name: stored and stored.read() for name, stored in inputs.items()},
            )
        )
    except Exception as error:
        tracker.failed(file, f"write: {reason(error)}", lasting=will_last(error))
    else:
        tracker.done(file, written)
    finally:
        tracker.stage_finished(file, "write", time.monotonic() - started)
