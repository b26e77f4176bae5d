"""What a run tells of itself: at the terminal, in its log, in its artifacts, in its report, in its state."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from prefect import get_run_logger
from prefect.context import FlowRunContext
from prefect.logging.handlers import APILogHandler
from prefect.states import Cancelled, Completed, Failed, State
from rich.console import Console

from flows.config.parameters import Batch
from flows.planning.plan import Plan
from flows.reporting.artifacts import Artifacts, plan_text, report_text
from flows.reporting.console import counted, plan_line, show_plan, show_summary, summary_line
from flows.reporting.ending import Ending
from flows.reporting.outputs_check import fail_those_gone
from flows.reporting.tracker import Report
from flows.services.failures import RunBroken
from flows.state.folder import OutputFolder
from flows.state.throughput import expected
from tasks.errors import message_of
from tasks.storage.filesystems import UnsupportedLocation
from tasks.storage.urls import shown

FAILED_BEFORE = "FailedBefore"
"""The name of the state of a run with nothing wrong but files that are known to be bad."""
LOGGED = 100
"""Failures that the run's log names; the report names all."""


@dataclass(frozen=True)
class Run:
    """What a run of the flow works on, and where it tells of it."""

    batch: Batch
    plan: Plan
    artifacts: Artifacts
    console: Console
    began: float


@contextmanager
def logs_forwarded() -> Iterator[None]:
    """Send what our own modules log in the context of a flow run to its log in Prefect, which takes only its own."""
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


def say(run: Run, message: str) -> None:
    """Say something that the user should see at once: on the console, and in the run's log."""
    run.console.print(message, markup=False, highlight=False, soft_wrap=True)
    get_run_logger().warning(message)


def tell_what_is_known(run: Run) -> None:
    """Show the plan before the new files are opened, which may take a while."""
    run.artifacts.show("plan", plan_text(run.plan.report, "not known before every file has been looked at"))


def tell_the_plan(run: Run) -> None:
    """Say what will be done."""
    report = run.plan.report
    if run.batch.run.report:
        try:
            # Should this process be killed, the report is that of this run, and of no earlier one.
            report.write(run.batch.run.report)
        except (OSError, UnsupportedLocation) as error:
            run.console.print(f"--report {shown(run.batch.run.report)}: {message_of(error)}", markup=False)
    show_plan(report.files, run.console)
    get_run_logger().info(plan_line(report.files))
    run.artifacts.show("plan", plan_text(report, _expected_finish(run)), plan_line(report.files))


def _expected_finish(run: Run) -> str:
    if not run.plan.waiting():
        return "nothing is to be done now"
    stop = f"; no file is begun after {run.batch.run.stop_after}" if run.batch.run.stop_after else ""
    estimate = expected(OutputFolder.of(run.batch).state_dir, run.plan.resume.options, run.plan.audio_left())
    if estimate is None:
        return "not known before the first files are through: see the progress" + stop
    seconds, speed = estimate
    finish = datetime.fromtimestamp(time.time() + seconds).astimezone()
    return f"about {finish:%Y-%m-%d %H:%M %Z}, at {speed:.1f} times real time as in the last such run{stop}"


def tell_the_end(run: Run) -> None:
    """Say what became of every file, and why the run ended if not all had their turn; wait until Prefect knows."""
    report = run.plan.report
    if report.ending:
        report.leave(report.files)
    report.fail_the_rest()
    fail_those_gone(report)
    show_summary(report, run.console)
    failed = [file for file in report.files if file.status == "failed" and not file.failed_before]
    for file in failed[:LOGGED]:
        get_run_logger().error("%s: %s", file.source.name, file.error)
    get_run_logger().info(summary_line(report))
    if report.ending:
        get_run_logger().error(report.ending.advice)
    run.artifacts.show("report", report_text(report), summary_line(report))
    try:
        if run.batch.run.report:
            report.write(run.batch.run.report)
    finally:
        run.artifacts.close()


def tell_unbegun(report: Report, ending: Ending, place: str | None) -> None:
    """Say that everything is left, where a run has ended before its flow began; write the report to `place`."""
    report.ending = ending
    report.leave(report.files)
    show_summary(report, Console(file=sys.stderr))
    if place:
        with suppress(OSError, UnsupportedLocation):
            report.write(place)


def final_state(report: Report) -> State[Any]:
    """Return Cancelled if the run was interrupted, Failed if it broke or any file has no good end, else Completed.

    The message has the reason and the counts. A run that broke has a RunBroken as its data. Where no other files have
    failed than those that failed in an earlier run and were not tried again, the state is Completed by type, so that
    no alarm goes off every night, and has a name that says so.
    """
    statuses = report.statuses
    shown = ("done", "skipped", "failed", "waiting")
    parts = [f"{statuses[status]} {status}{_known(report, status)}" for status in shown if statuses[status]]
    parts += [f"{statuses['left']} left for the next run"] if statuses["left"] else []
    message = f"{counted(len(report.files))}: {', '.join(parts) or 'nothing done'}"
    if report.ending:
        message = f"{report.ending.reason}; {message}"
        if report.ending.interrupted:
            return Cancelled(message=message)
        return Failed(message=message, data=RunBroken(report.ending.reason))
    if report.new_failures or statuses["waiting"]:
        return Failed(message=message)
    return Completed(message=message, name=FAILED_BEFORE) if report.known_failures else Completed(message=message)


def _known(report: Report, status: str) -> str:
    return f" ({report.known_failures} of them before)" if status == "failed" and report.known_failures else ""
