"""flows/services/prefect_events.py: what Prefect holds of a run whose states and logs it has sent."""

import gc
import weakref

from prefect import flow
from prefect.events.worker import EventsWorker

from flows.services.prefect_events import flush, forget_workers


@flow(name="saying", persist_result=False)
def saying() -> "weakref.ref[EventsWorker]":
    """Return a worker that was started in the run."""
    flush()
    return weakref.ref(EventsWorker.instance())


def test_a_process_that_stays_holds_nothing_of_its_earlier_runs(api_url: str) -> None:
    """Prefect itself keeps its workers, and the contexts in which they were started, until the process ends."""
    worker = saying()
    flush()
    gc.collect()
    assert worker() is not None
    forget_workers()
    gc.collect()
    assert worker() is None
