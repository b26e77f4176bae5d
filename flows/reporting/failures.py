"""The failed files of a run in Prefect, as they fail: in the run's log, and as task runs."""

import logging
import threading
from typing import Any
from uuid import UUID

import httpx
from prefect import get_run_logger, runtime
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectException
from prefect.states import Failed, State

from flows.planning.file_run import FileRun
from flows.reporting.tracker import Tracker
from tasks.load_audio import load_audio

logger = logging.getLogger(__name__)

MOST = 100
"""At most so many failures are in the run's log, and among its task runs; the report has all."""


class Failures:
    """Reports the failed files of the present flow run to Prefect; may be used by several threads."""

    def __init__(self, tracker: Tracker) -> None:
        self._failed = tracker.newly_failed
        self._flow_run = UUID(runtime.flow_run.id)
        self._log = get_run_logger()
        self._reported = 0
        self._lock = threading.Lock()

    def report(self) -> None:
        """Report the files that have failed since the last call."""
        with self._lock:
            failed = self._failed[self._reported : MOST]
            self._reported += len(failed)
            # Of a file whose task run has just failed, the run is known a moment before the time it took.
            refused = [file for file in failed if not file.timings_s and not file.failed_run]
            if refused:
                self._create_task_runs(refused)
            for file in failed:
                # The pages of task runs have no message but what is in their logs; those from the stages have one.
                run = {"task_run_id": file.failed_run} if file in refused else None
                self._log.error("%s: %s", file.source.name, file.error, extra=run)

    def _create_task_runs(self, refused: list[FileRun]) -> None:
        """Give files that failed before any task ran for them a task run that failed, so that each has a row."""
        try:
            with get_client(sync_client=True) as client:
                for file in refused:
                    state: State[Any] = Failed(message=file.error)
                    key, name = f"refused-{file.index}", file.source.name
                    created = client.create_task_run(load_audio, self._flow_run, key, name=name, state=state)
                    file.failed_run = created.id
        except (PrefectException, httpx.HTTPError) as error:
            logger.warning("failed files could not be shown as task runs: %s", error)
