"""States, logs and heartbeats that Prefect sends from threads of its own."""

from functools import partial

# Prefect's workers behind task run states and logs have no public flush: a process that is killed would take what
# they still hold with it. Contract test: tests/flows/reporting/test_run.py.
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker


def flush(timeout: float = 5) -> None:
    """Send the states and logs of this process that Prefect still holds, while there is a server to take them."""
    EventsWorker.drain_all(timeout=timeout, at_exit=False)
    APILogWorker.drain_all(timeout=timeout, at_exit=False)


def end_flows_at_once() -> None:
    """Let a flow of this process end without the thread of its heartbeats, for which Prefect waits up to a second.

    The thread sends nothing more. Contract test: tests/flows/services/test_prefect_events.py.
    """
    from prefect import flow_engine  # here: an actor runs no flow

    flow_engine._send_heartbeats = partial(flow_engine._send_heartbeats, join_on_exit=False)  # noqa: SLF001
