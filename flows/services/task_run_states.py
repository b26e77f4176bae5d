"""Makes sure that the Prefect server has recorded how task runs ended.

Their states reach it as events, through queues: its own in-memory one drops what exceeds 10,000 messages, without a
word to the sender, and a process that dies, an actor or the server, loses what waits there.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import TaskRunFilter
from prefect.client.schemas.objects import TERMINAL_STATES
from prefect.exceptions import PrefectException

logger = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 0.3
"""Between two looks: short after a small run, whose end waits for them; a large one's server is busy."""
QUIET_S = 15.0
"""If the server records nothing more for so long, what it lacks is lost: by default it writes every five seconds."""
TRIES = 3
COUNTED = 900
"""Task runs that the server is asked to count at a time; each is a variable of a statement, of which an old SQLite
takes 999."""
PAGE = 200
"""Task runs that the server returns at a time, by default."""


class TaskRunStates:
    """Task runs that have ended, to be compared with those that have on the server."""

    def __init__(self) -> None:
        self._ended: dict[UUID, Callable[[], object]] = {}
        self._lock = threading.Lock()

    def add(self, task_run: UUID, send: Callable[[], object]) -> None:
        """Add a task run that has ended; `send` reports its state to the server once more."""
        with self._lock:
            self._ended[task_run] = send

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

    def confirm_at_end(self) -> None:
        """Do so where a `confirmed_at_end` ends, if there is one, else at once."""
        left = _left.get()
        if left is None:
            self.confirm()
        else:
            left.append(self)

    def _recorded(self, client: SyncPrefectClient) -> bool:
        """Return whether the server has all; wait for it as long as it records more."""
        left, before, changed = list(self._in_pieces(COUNTED)), -1, time.monotonic()
        while True:
            lacking = [(task_runs, len(task_runs) - _count(client, task_runs)) for task_runs in left]
            left = [task_runs for task_runs, lack in lacking if lack]
            if not left:
                return True
            if (lack := sum(lack for _, lack in lacking)) != before:
                before, changed = lack, time.monotonic()
            if time.monotonic() > changed + QUIET_S:
                return False
            time.sleep(min(FIRST_PAUSE_S + len(self._ended) / 1000, LONGEST_PAUSE_S))

    def _send_lost(self, client: SyncPrefectClient) -> None:
        there = {
            task_run.id
            for task_runs in self._in_pieces(PAGE)
            for task_run in client.read_task_runs(task_run_filter=_ended(task_runs), limit=PAGE)
        }
        lost = [send for task_run, send in self._ended.items() if task_run not in there]
        logger.warning("Prefect has not recorded the states of %d task runs; they are sent again", len(lost))
        for send in lost:
            send()

    def _in_pieces(self, size: int) -> Iterator[list[UUID]]:
        task_runs = list(self._ended)
        return (task_runs[first : first + size] for first in range(0, len(task_runs), size))


_left: ContextVar[list[TaskRunStates] | None] = ContextVar("left", default=None)


@contextmanager
def confirmed_at_end() -> Iterator[None]:
    """Let a run inside end, and Ray with it, while the server records states; then wait for what it still lacks.

    It writes once a second at most, which is long after a file or two.
    """
    left: list[TaskRunStates] = []
    token = _left.set(left)
    try:
        yield
    finally:
        _left.reset(token)
    for states in left:
        states.confirm()


def _ended(task_runs: list[UUID]) -> TaskRunFilter:
    """Return what selects those of some task runs that have ended."""
    return TaskRunFilter(id={"any_": task_runs}, state={"type": {"any_": list(TERMINAL_STATES)}})


def _count(client: SyncPrefectClient, task_runs: list[UUID]) -> int:
    asked = {"task_runs": _ended(task_runs).model_dump(mode="json", exclude_unset=True)}
    return int(client.request("POST", "/task_runs/count", json=asked).json())
