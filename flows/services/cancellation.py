"""A run that is cancelled in Prefect: no process but the run's own can stop it, where no worker has started it."""

import contextvars
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectException

LOOK_EVERY_S = 5.0


@contextmanager
def noticing_cancellation(flow_run_id: UUID | str, interrupt: Callable[[str], None]) -> Iterator[None]:
    """Call `interrupt`, for the length of a `with`, once the flow run is cancelled in Prefect."""
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(LOOK_EVERY_S):
            # A server that is slow or away for a while has nothing to say.
            with suppress(PrefectException, httpx.HTTPError), get_client(sync_client=True) as client:
                state = client.read_flow_run(UUID(str(flow_run_id))).state
                if state and (state.is_cancelling() or state.is_cancelled()):
                    interrupt("cancelled in Prefect")
                    return

    # In the context of the run, where Prefect finds its server: without, it would start one of its own.
    run = contextvars.copy_context().run
    looking = threading.Thread(target=run, args=(look,), name="cancellation", daemon=True)
    looking.start()
    try:
        yield
    finally:
        ended.set()
