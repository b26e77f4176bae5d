"""Makes sure that the Prefect server has recorded how task runs ended.

Their states reach it as events, through queues: its own in-memory one drops what exceeds 10,000 messages, without a
word to the sender, and a process that dies, an actor or the server, loses what waits there.
"""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, TaskRunFilter
from prefect.client.schemas.objects import TERMINAL_STATES
from prefect.exceptions import PrefectException

logger = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 0.3
"""Between two looks: short at first, as a small run waits for them at its end; a large one's server is busy."""
QUIET_S = 15.0
"""If the server records nothing more for so long, what it lacks is lost: by default it writes every five seconds."""
TRIES = 3
PAGE = 200
"""Task runs that the server returns at a time, by default."""


class TaskRunStates:
    """The task runs of some flow runs that have ended, to be compared with those that have on the server."""

    def __init__(self) -> None:
        self._ended: defaultdict[UUID, dict[UUID, Callable[[], object]]] = defaultdict(dict)
        self._lock = threading.Lock()

    def add(self, flow_run: UUID, task_run: UUID, send: Callable[[], object]) -> None:
        """Add a task run that has ended; `send` reports its state to the server once more."""
        with self._lock:
            self._ended[flow_run][task_run] = send

    def confirm(self) -> None:
        """Wait until the server has recorded that all have ended; send states again that have been lost."""
        try:
            with get_client(sync_client=True) as client:
                for _ in range(TRIES):
                    if self._recorded(client):
                        return
                    self._send_lost(client)
                if not self._recorded(client):
                    logger.warning("the Prefect server does not record the states of all task runs: see its log")
        except (httpx.HTTPError, PrefectException) as error:
            logger.warning("whether Prefect has recorded the states of all task runs is not known: %s", error)

    def _recorded(self, client: SyncPrefectClient) -> bool:
        """Return whether the server has all; wait for it as long as it records more."""
        before, changed, pause = -1, time.monotonic(), FIRST_PAUSE_S
        while True:
            counts = {flow_run: _count(client, flow_run) for flow_run in self._ended}
            if all(counts[flow_run] >= len(ended) for flow_run, ended in self._ended.items()):
                return True
            if sum(counts.values()) != before:
                before, changed = sum(counts.values()), time.monotonic()
            if time.monotonic() > changed + QUIET_S:
                return False
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def _send_lost(self, client: SyncPrefectClient) -> None:
        lost = [
            send
            for flow_run, ended in self._ended.items()
            for there in [_ended_ids(client, flow_run)]
            for task_run, send in ended.items()
            if task_run not in there
        ]
        logger.warning("Prefect has not recorded the states of %d task runs; they are sent again", len(lost))
        for send in lost:
            send()


def _filters(flow_run: UUID) -> tuple[FlowRunFilter, TaskRunFilter]:
    return FlowRunFilter(id={"any_": [flow_run]}), TaskRunFilter(state={"type": {"any_": list(TERMINAL_STATES)}})


def _count(client: SyncPrefectClient, flow_run: UUID) -> int:
    of_run, ended = _filters(flow_run)
    asked = {
        "flow_runs": of_run.model_dump(mode="json", exclude_unset=True),
        "task_runs": ended.model_dump(mode="json"),
    }
    return int(client.request("POST", "/task_runs/count", json=asked).json())


def _ended_ids(client: SyncPrefectClient, flow_run: UUID) -> set[UUID]:
    found: list[UUID] = []
    of_run, ended = _filters(flow_run)
    while page := client.read_task_runs(flow_run_filter=of_run, task_run_filter=ended, limit=PAGE, offset=len(found)):
        found += [run.id for run in page]  # with repetitions, where more are recorded between two pages
    return {*found}
