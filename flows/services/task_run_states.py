"""Makes sure that the Prefect server has recorded how task runs ended.

Their states reach it as events, through queues: its own in-memory one drops what exceeds 10,000 messages, without a
word to the sender, and a process that dies, an actor or the server, loses what waits there.
"""

import logging
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, TaskRunFilter
from prefect.client.schemas.objects import StateType
from prefect.exceptions import PrefectException

logger = logging.getLogger(__name__)

CHECK_EVERY_S = 0.3
QUIET_S = 15.0
"""If the server records nothing more for so long, what it lacks is lost: by default it writes every five seconds."""
TRIES = 3
PAGE = 200
"""Task runs that the server returns at a time, by default."""


class TaskRunStates:
    """The final states of the task runs of some flow runs, to be compared with those on the server."""

    def __init__(self) -> None:
        self._ended: defaultdict[tuple[UUID, StateType], dict[UUID, Callable[[], object]]] = defaultdict(dict)
        self._lock = threading.Lock()

    def add(self, flow_run: UUID, task_run: UUID, state: StateType, send: Callable[[], object]) -> None:
        """Add a task run that has ended in this state; `send` reports that to the server once more."""
        with self._lock:
            self._ended[flow_run, state][task_run] = send

    def confirm(self) -> None:
        """Wait until the server has recorded all states; send those again that have been lost."""
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
        before, changed = Counter[tuple[UUID, StateType]](), time.monotonic()
        while True:
            there = Counter({key: _count(client, *key) for key in self._ended})
            if all(there[key] >= len(ended) for key, ended in self._ended.items()):
                return True
            if there != before:
                before, changed = there, time.monotonic()
            if time.monotonic() > changed + QUIET_S:
                return False
            time.sleep(CHECK_EVERY_S)

    def _send_lost(self, client: SyncPrefectClient) -> None:
        sent = 0
        for (flow_run, state), ended in self._ended.items():
            if _count(client, flow_run, state) < len(ended):
                for lost in ended.keys() - _recorded_ids(client, flow_run, state):
                    ended[lost]()
                    sent += 1
        logger.warning("Prefect has not recorded the states of %d task runs; they are sent again", sent)


def _filters(flow_run: UUID, state: StateType) -> dict[str, Any]:
    return {
        "flow_run_filter": FlowRunFilter(id={"any_": [flow_run]}),
        "task_run_filter": TaskRunFilter(state={"type": {"any_": [state]}}),
    }


def _count(client: SyncPrefectClient, flow_run: UUID, state: StateType) -> int:
    filters = _filters(flow_run, state)
    asked = {
        "flow_runs": filters["flow_run_filter"].model_dump(mode="json", exclude_unset=True),
        "task_runs": filters["task_run_filter"].model_dump(mode="json"),
    }
    return int(client.request("POST", "/task_runs/count", json=asked).json())


def _recorded_ids(client: SyncPrefectClient, flow_run: UUID, state: StateType) -> set[UUID]:
    found: set[UUID] = set()
    while page := client.read_task_runs(**_filters(flow_run, state), limit=PAGE, offset=len(found)):
        found |= {run.id for run in page}
    return found
