"""Runs the stage subflows at the same time: a subflow call blocks its caller, so each has a thread."""

import contextvars
import logging
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import httpx
from prefect import Flow
from prefect.states import State

from flows.admission import Admission
from flows.pools.group import Pools
from flows.pools.outcome import exception_of
from flows.pools.task_runner import ActorPoolTaskRunner
from flows.services.failures import in_words

logger = logging.getLogger(__name__)

StageFlow = Flow[..., State[Any]]

RETRY_S = 2.0
AWAY_S = 500.0
"""How long a server may be away: about as long as Prefect's client tries, see flows/host/surroundings.py."""


class StageThreads:
    """Runs stage subflows at the same time; an error in one, or in a pool, stops them all."""

    def __init__(self, pools: Pools, admission: Admission, reading_stopped: threading.Event) -> None:
        """Run nothing yet; `reading_stopped` is set with `stop`, to end what is read ahead of the admission."""
        self._pools = pools
        self._admission = admission
        self._reading_stopped = reading_stopped
        self.error: BaseException | None = None
        """The first error."""
        self.interrupted: str | None = None
        """Why the stages were asked to stop, if they were."""
        self.stopped = False
        """No more files are admitted, and those in flight are cancelled."""
        pools.broken.add_done_callback(lambda broken: self.fail(broken.result()))

    def start(self, stages: Mapping[StageFlow, Mapping[str, Any]]) -> list[threading.Thread]:
        """Start each flow with its parameters, inside the current flow run. Returns the threads."""
        left = dict(stages)
        threads: list[threading.Thread] = []
        try:
            for stage, parameters in stages.items():
                pooled = stage.with_options(task_runner=ActorPoolTaskRunner(stage.name, self._pools))
                # Prefect finds the parent run, the settings and the server's address in context variables.
                run = contextvars.copy_context().run
                thread = threading.Thread(target=run, args=(self._run, pooled, parameters), name=stage.name)
                thread.start()
                threads.append(thread)
                del left[stage]
                parameters["links"].begun.wait()  # Prefect shows them in the order in which they begin
                if self.stopped:
                    break
        finally:  # if one cannot be started, the others would wait for it for ever
            for stage, parameters in left.items():
                _close(stage, parameters)
        return threads

    def call(self, subflow: Callable[[], State[Any]], begun: threading.Event) -> State[Any]:
        """Call a subflow, which sets `begun`; again while the server is away when it is to start.

        Prefect's client tries again by itself, but not the new one with which it creates a subflow's run.
        """
        deadline = time.monotonic() + AWAY_S
        while True:
            try:
                return subflow()
            except httpx.TransportError as error:
                if begun.is_set() or self.stopped or time.monotonic() > deadline:
                    raise
                logger.info("the Prefect server is waited for: %s", error)
                time.sleep(RETRY_S)

    def _run(self, stage: StageFlow, parameters: Mapping[str, Any]) -> None:
        try:
            state = self.call(partial(stage, **parameters, return_state=True), parameters["links"].begun)
            self.fail(exception_of(state))  # in the stage itself; a file's failure is no exception here
        except BaseException as error:
            if all(stream.closed_by(stage.name) for stream in parameters["links"].downstream):
                # Its files are finished: only the report to Prefect failed.
                logger.warning("the end of stage %s could not be recorded: %s", stage.name, error)
            else:
                self.fail(error)
        finally:
            parameters["links"].begun.set()
            _close(stage, parameters)

    def fail(self, error: BaseException | None) -> None:
        """Stop because of this error, if it is one."""
        if error is not None and self.error is None:
            self.error = error
            self.stop(in_words(error))

    def interrupt(self, reason: str) -> None:
        """Stop at somebody's request."""
        self.interrupted = self.interrupted or reason
        self.stop(reason)

    def stop(self, reason: str) -> None:
        """Admit no more files and cancel those in flight; the streams then run dry."""
        self.stopped = True
        self._reading_stopped.set()
        self._admission.stop()
        self._pools.cancel(reason)


def _close(stage: StageFlow, parameters: Mapping[str, Any]) -> None:
    for stream in parameters["links"].downstream:
        stream.close(stage.name)
