"""Notices that the run was cancelled in Prefect: a run that no worker has started must stop itself."""

import contextvars
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import StateType

CHECK_EVERY_S = 5.0


@contextmanager
def noticing_cancellation(flow_run_ids: list[str], interrupt: Callable[[str], None]) -> Iterator[None]:
    """Within the `with` block, call `interrupt` once one of the flow runs is cancelled in Prefect."""
    ended = threading.Event()
    # A filter, as one of the runs may have been deleted: reading it by its id would fail.
    cancelled = FlowRunFilter(
        id={"any_": [UUID(flow_run_id) for flow_run_id in flow_run_ids]},
        state={"type": {"any_": [StateType.CANCELLING, StateType.CANCELLED]}},
    )

    def look() -> None:
        while not ended.wait(CHECK_EVERY_S):
            # The server may be slow or away for some time, or a proxy may answer in its place.
            with suppress(Exception), get_client(sync_client=True) as client:
                if client.read_flow_runs(flow_run_filter=cancelled, limit=1):
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
