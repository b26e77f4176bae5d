"""Which errors are retried, and how: by Prefect for task runs, by `retry` elsewhere."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from prefect import Task
from prefect.client.schemas.objects import TaskRun
from prefect.states import State

from tasks.errors import LASTING_ERRNOS, LASTING_ERRORS, FileFault
from tasks.oom import is_poisoning

R = TypeVar("R")

RETRIES = 2
RETRY_DELAYS_S = [1.0, 4.0]
"""Short: a task that waits for its retry keeps its slot in the actor."""


def is_passing(error: BaseException) -> bool:
    """Return whether another try may succeed."""
    if isinstance(error, FileFault):
        return error.passing
    if isinstance(error, OSError):
        return error.errno not in LASTING_ERRNOS
    lasting = isinstance(error, LASTING_ERRORS) or "NOT_SUPPORTED" in str(error)
    return not lasting and not is_poisoning(error)


def retry_passing(task: Task[Any, Any], run: TaskRun, state: State[Any]) -> bool:
    """Return whether Prefect should retry a failed task run; its `retry_condition_fn`."""
    try:
        state.result()
    except Exception as error:
        return is_passing(error)
    return True


class RetryBudget:
    """A limited number of retries, for reads outside Prefect's tasks.

    Many files share one: if a network share is down, the delays must not add up file by file.
    """

    def __init__(self, tries: int) -> None:
        self._left = tries

    def retry(self, run: Callable[[], R]) -> R:
        """Return what `run` returns; after an error that may pass, try again after the delays of Prefect's retries."""
        for delay_s in RETRY_DELAYS_S:
            try:
                return run()
            except Exception as error:
                if not is_passing(error) or self._left <= 0:
                    raise
                self._left -= 1
                time.sleep(delay_s)
        return run()


def retry(run: Callable[[], R]) -> R:
    """Return what `run` returns; after an error that may pass, try again after short delays."""
    return RetryBudget(RETRIES).retry(run)
