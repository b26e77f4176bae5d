"""Runs the stage subflows at the same time: a subflow call blocks its caller, so each has a thread."""

import contextvars
import logging
import threading
from collections.abc import Mapping
from typing import Any

from prefect import Flow
from prefect.states import State

from flows.admission import Admission
from flows.pools.group import Pools
from flows.pools.outcome import exception_of
from flows.pools.task_runner import ActorPoolTaskRunner
from flows.services.failures import in_words

logger = logging.getLogger(__name__)

StageFlow = Flow[..., State[Any]]


class StageThreads:
    """Runs stage subflows at the same time; an error in one, or in a pool, stops them all."""

    def __init__(self, pools: Pools, admission: Admission) -> None:
        self._pools = pools
        self._admission = admission
        self.error: BaseException | None = None
        """The first error."""
        self.interrupted: str | None = None
        """Why the stages were asked to stop, if they were."""
        self._threads: list[threading.Thread] = []
        pools.broken.add_done_callback(lambda broken: self._fail(broken.result()))

    def start(self, stages: Mapping[StageFlow, Mapping[str, Any]]) -> None:
        """Start each flow with its parameters, inside the current flow run."""
        left = dict(stages)
        try:
            for stage, parameters in stages.items():
                pooled = stage.with_options(task_runner=ActorPoolTaskRunner(stage.name, self._pools))
                # Prefect finds the parent run, the settings and the server's address in context variables.
                run = contextvars.copy_context().run
                thread = threading.Thread(target=run, args=(self._run, pooled, parameters), name=stage.name)
                thread.start()
                self._threads.append(thread)
                del left[stage]
        finally:  # if an interruption kept one from starting, the others would wait for it for ever
            for stage, parameters in left.items():
                _close(stage, parameters)

    def _run(self, stage: StageFlow, parameters: Mapping[str, Any]) -> None:
        try:
            state = stage(**parameters, return_state=True)
            self._fail(exception_of(state))  # in the stage itself; a file's failure is no exception here
        except BaseException as error:
            if all(stream.closed_by(stage.name) for stream in parameters["links"].downstream):
                # Its files are finished: only the report to Prefect failed.
                logger.warning("the end of stage %s could not be recorded: %s", stage.name, error)
            else:
                self._fail(error)
        finally:
            _close(stage, parameters)

    def _fail(self, error: BaseException | None) -> None:
        if error is not None and self.error is None:
            self.error = error
            self.stop(in_words(error))

    def interrupt(self, reason: str) -> None:
        """Stop at somebody's request."""
        self.interrupted = self.interrupted or reason
        self.stop(reason)

    def stop(self, reason: str) -> None:
        """Admit no more files and cancel those in flight; the streams then run dry."""
        self._admission.stop()
        self._pools.cancel(reason)

    def join(self) -> None:
        """Wait for the stages."""
        for thread in self._threads:
            thread.join()


def _close(stage: StageFlow, parameters: Mapping[str, Any]) -> None:
    for stream in parameters["links"].downstream:
        stream.close(stage.name)
