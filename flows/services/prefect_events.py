"""States, logs and heartbeats that Prefect sends from threads of its own."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from prefect._internal.concurrency.threads import get_global_loop

# Prefect's workers behind task run states and logs have no public flush: a process that is killed would take what
# they still hold with it. Contract tests: tests/flows/reporting/test_run.py,
# tests/flows/services/test_prefect_events.py.
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker


def flush(timeout: float = 5) -> None:
    """Send the states and logs of this process that Prefect still holds, while there is a server to take them."""
    EventsWorker.drain_all(timeout=timeout, at_exit=False)
    APILogWorker.drain_all(timeout=timeout, at_exit=False)


def forget_workers() -> None:
    """Let go of the workers that `flush` has ended, and of the context of the task run that each was started in.

    Until the process ends Prefect holds what would end them then: in a process that stays, it grows with each run.
    """
    calls, exits = get_global_loop()._on_shutdown, threading._threading_atexits  # type: ignore[attr-defined]  # noqa: SLF001
    calls[:] = [call for call in calls if not _of_ended_worker(call.fn)]
    exits[:] = [call for call in exits if not _of_ended_worker(call.func)]


def _of_ended_worker(method: Callable[..., Any]) -> bool:
    worker = getattr(method, "__self__", None)
    ended = worker._done_event if isinstance(worker, EventsWorker | APILogWorker) else None  # noqa: SLF001
    return ended is not None and ended.is_set()


def end_flows_at_once() -> None:
    """Let a flow of this process end without the thread of its heartbeats, for which Prefect waits up to a second.

    The thread sends nothing more. Contract test: tests/flows/services/test_prefect_events.py.
    """
    from prefect import flow_engine  # here: an actor runs no flow

    flow_engine._send_heartbeats = partial(flow_engine._send_heartbeats, join_on_exit=False)  # noqa: SLF001
