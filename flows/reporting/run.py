"""Publishing of a run: to the terminal, its log, its artifacts and its report."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime

from prefect import get_run_logger
from prefect.context import FlowRunContext
from prefect.logging.handlers import APILogHandler
from rich.console import Console

from flows.config.parameters import Batch
from flows.host.terminal import console
from flows.planning.plan import Plan
from flows.reporting.artifacts import Artifacts
from flows.reporting.console import plan_line, provisional_line, show_plan, show_summary, speed, summary_line
from flows.reporting.ending import Ending
from flows.reporting.failures import Failures
from flows.reporting.index.page import publish_index
from flows.reporting.listening import assessed
from flows.reporting.markdown.texts import plan_text, report_text
from flows.reporting.outputs_check import fail_missing_outputs
from flows.reporting.report import write_report
from flows.reporting.tracker import Tracker
from flows.state.folder import OutputFolder
from flows.state.throughput import expected
from tasks.errors import message_of
from tasks.storage.filesystems import UnsupportedLocation
from tasks.storage.urls import shown

LOGGED = 100
"""At most so many transcripts in doubt are in the run's log; the report has all."""


@dataclass(frozen=True)
class Run:
    """What a run of the flow works on, and where it reports."""

    batch: Batch
    plan: Plan
    tracker: Tracker
    artifacts: Artifacts
    failures: Failures
    console: Console
    began: float


@contextmanager
def logs_forwarded() -> Iterator[None]:
    """Send what our own modules log in the context of a flow run to its log in Prefect, which has only Prefect's."""
    handler, logger = APILogHandler(logging.INFO), logging.getLogger("flows")
    handler.addFilter(lambda _: FlowRunContext.get() is not None)
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def announce(run: Run, message: str) -> None:
    """Show a message that the user should see at once: on the console, and in the run's log."""
    run.console.print(message, markup=False, highlight=False, soft_wrap=True)
    get_run_logger().warning(message)


def publish_plan(run: Run) -> None:
    """Show what will be done, and write the report with every file still waiting."""
    tracker = run.tracker
    if run.batch.run.report:
        try:
            # If this process is killed, the report is that of this run, not of an earlier one.
            write_report(tracker, run.batch.run.report)
        except (OSError, UnsupportedLocation) as error:
            run.console.print(f"--report {shown(run.batch.run.report)}: {message_of(error)}", markup=False)
    if run.batch.run.verbose:
        show_plan(tracker.files, run.console)
    get_run_logger().info(plan_line(tracker.files))
    run.failures.report()
    run.artifacts.show("plan", plan_text(tracker, _expected_finish(run)), plan_line(tracker.files))


def _expected_finish(run: Run) -> str:
    if not run.plan.waiting():
        return "nothing is to be done now"
    stop = f"; no file is begun after {run.batch.run.stop_after}" if run.batch.run.stop_after else ""
    estimate = None
    if "transcribe" in run.plan.stages():  # the speed of whole runs says nothing of one that only checks
        estimate = expected(OutputFolder.of(run.batch).state_dir, run.plan.resume.options, run.plan.audio_left())
    if estimate is None:
        return "not known before the first files are through: see the progress" + stop
    seconds, times = estimate
    finish = datetime.fromtimestamp(time.time() + seconds).astimezone()
    return f"about {finish:%Y-%m-%d %H:%M %Z}, at {speed(times)} as in the last such run{stop}"


def publish_outcome(run: Run) -> None:
    """Show what became of every file, and why the run ended early if it did; wait until Prefect has it."""
    tracker = run.tracker
    if tracker.ending:
        tracker.defer(tracker.files)
    tracker.fail_remaining()
    fail_missing_outputs(tracker)
    show_summary(tracker, run.console)
    run.failures.report()
    publish_index(run.batch, run.plan.ledger, tracker, run.console)
    doubtful = [(file, quality) for file, quality in assessed(tracker) if quality["verdict"] != "good"]
    for file, quality in [each for each in doubtful if each[0].status == "done"][:LOGGED]:
        get_run_logger().warning("%s: %s: %s", file.source.name, quality["verdict"], "; ".join(quality["reasons"]))
    if provisional := provisional_line(tracker):
        get_run_logger().warning(provisional)
    get_run_logger().info(summary_line(tracker))
    for kept in tracker.warm:
        get_run_logger().info("warm for the next run: %s", kept)
    if tracker.ending:
        get_run_logger().error(tracker.ending.advice)
    run.artifacts.show("report", report_text(tracker), summary_line(tracker))
    try:
        if run.batch.run.report:
            write_report(tracker, run.batch.run.report)
    finally:
        run.artifacts.close()


def publish_not_started(tracker: Tracker, ending: Ending, location: str | None) -> None:
    """Show the summary of a run that ended before its flow began; write the report to `location`."""
    tracker.ending = ending
    tracker.defer(tracker.files)
    show_summary(tracker, console())
    if location:
        with suppress(OSError, UnsupportedLocation):
            write_report(tracker, location)
