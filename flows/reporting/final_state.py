"""The final state of a run, which Prefect shows and automations act on."""

from typing import Any

from prefect.states import Cancelled, Completed, Failed, State

from flows.reporting.console import counted
from flows.reporting.tracker import Tracker
from flows.services.failures import RunBroken

FAILED_BEFORE = "FailedBefore"
"""The name of the state of a run whose only failed files are known to be bad."""


def final_state(tracker: Tracker) -> State[Any]:
    """Return Failed if the run broke or any file failed, Cancelled if it was interrupted, else Completed.

    The message has the reason and the counts; a run that broke has a RunBroken as its data. If the only failed files
    are those that failed in an earlier run and were not tried again, the state is Completed, named FAILED_BEFORE, so
    that a nightly run does not raise an alarm every night.
    """
    statuses = tracker.statuses
    shown = ("done", "skipped", "failed", "waiting")
    parts = [f"{statuses[status]} {status}{_known(tracker, status)}" for status in shown if statuses[status]]
    parts += [f"{statuses['left']} left for the next run"] if statuses["left"] else []
    message = f"{counted(len(tracker.files))}: {', '.join(parts) or 'nothing done'}"
    if tracker.ending:
        message = f"{tracker.ending.reason}; {message}"
        if tracker.ending.interrupted:
            return Cancelled(message=message)
        return Failed(message=message, data=RunBroken(tracker.ending.reason))
    if tracker.new_failures or statuses["waiting"]:
        return Failed(message=message)
    return Completed(message=message, name=FAILED_BEFORE) if tracker.known_failures else Completed(message=message)


def _known(tracker: Tracker, status: str) -> str:
    return f" ({tracker.known_failures} of them before)" if status == "failed" and tracker.known_failures else ""
