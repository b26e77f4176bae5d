"""flows/services/prefect_events.py: what Prefect sends from threads of its own, and what it holds of earlier runs."""

import gc
import time
import weakref

import pytest
from prefect import flow, flow_engine
from prefect.events.worker import EventsWorker

from flows.services.prefect_events import end_flows_at_once, flush, forget_workers

pytestmark = pytest.mark.usefixtures("api_url")


@flow(name="saying", persist_result=False)
def saying() -> "weakref.ref[EventsWorker]":
    """Return a worker that was started in the run."""
    flush()
    return weakref.ref(EventsWorker.instance())


def test_a_process_that_stays_holds_nothing_of_its_earlier_runs() -> None:
    """Prefect itself keeps its workers, and the contexts in which they were started, until the process ends."""
    worker = saying()
    flush()
    gc.collect()
    assert worker() is not None
    forget_workers()
    gc.collect()
    assert worker() is None


@flow
def body() -> float:
    """Return when its work is done: not before the thread of its heartbeats sleeps."""
    time.sleep(0.2)
    return time.monotonic()


def ends_after() -> float:
    """Return the seconds that a flow takes to end after its work, the least of three."""
    took = []
    for _ in range(3):
        done = body()
        took.append(time.monotonic() - done)
    return min(took)


def test_a_flow_does_not_wait_for_its_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefect waits for their thread, which looks once a second whether it is to end: 0.8 s here."""
    monkeypatch.setattr(flow_engine, "_send_heartbeats", flow_engine._send_heartbeats)
    before = ends_after()
    end_flows_at_once()
    assert ends_after() < before - 0.4
