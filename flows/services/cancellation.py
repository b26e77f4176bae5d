"""Notices that the run was cancelled in Prefect: a run that no worker has started must stop itself."""

import contextvars
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectException

CHECK_EVERY_S = 5.0


@contextmanager
def noticing_cancellation(flow_run_ids: list[str], interrupt: Callable[[str], None]) -> Iterator[None]:
    """Within the `with` block, call `interrupt` once one of the flow runs is cancelled in Prefect."""
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(CHECK_EVERY_S):
            # The server may be slow or away for some time.
            with suppress(PrefectException, httpx.HTTPError), get_client(sync_client=True) as client:
                states = [client.read_flow_run(UUID(flow_run_id)).state for flow_run_id in flow_run_ids]
                if any(state and (state.is_cancelling() or state.is_cancelled()) for state in states):
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
