"""flows/telling.py: what a run tells of itself in Prefect; its artifacts are in tests/test_artifacts.py."""

import contextvars
import logging
import threading
import time
from typing import Any

from prefect import flow, runtime
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import LogFilter
from prefect.states import Completed, State

from flows.task_runner import flush
from flows.telling import logs_forwarded

LOGGER = logging.getLogger("flows.dispatcher")


@flow(name="telling", persist_result=False)
def telling() -> State[Any]:
    """Say something in the run, in a thread of the run, in a thread of nobody, and after the end."""
    with logs_forwarded():
        LOGGER.warning("a process died")
        inside = threading.Thread(target=contextvars.copy_context().run, args=(LOGGER.info, "files wait"))
        outside = threading.Thread(target=LOGGER.warning, args=("of no run",))
        for thread in (inside, outside):
            thread.start()
            thread.join()
    LOGGER.warning("too late")
    return Completed(message=runtime.flow_run.id)


def test_what_the_pools_say_is_in_the_log_of_the_run(api_url: str) -> None:
    """That a process has died, or that a pool grows; nothing of what belongs to no run."""
    run_id = telling(return_state=True).message
    flush()
    for _ in range(100):
        with get_client(sync_client=True) as client:
            logs = client.read_logs(LogFilter(flow_run_id={"any_": [run_id]}))
        said = {log.message for log in logs if log.name == LOGGER.name}
        if len(said) == 2:
            break
        time.sleep(0.1)
    assert said == {"a process died", "files wait"}
