"""A task run on its way through a pool."""

import logging
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import ray
from prefect.states import Cancelled, Crashed, State

from flows.pools.outcome import Outcome

logger = logging.getLogger(__name__)

MIN_TIMEOUT_S, TIMEOUT_FACTOR = 1800.0, 20.0
"""The default time limit of a stage: half an hour, for models that are yet to be downloaded, plus 20 times the length
of the audio, which large models need on a slow CPU."""


def timeout_for(audio_s: float, stage_timeout: float | None) -> float:
    """Return the time limit of a stage for so many seconds of audio; `stage_timeout` is the user's."""
    return stage_timeout or MIN_TIMEOUT_S + TIMEOUT_FACTOR * audio_s


@dataclass(eq=False)
class Call:
    """A task run on its way through a pool."""

    stage: str
    audio_s: float
    timeout_s: float
    """The seconds that an actor has to finish it, once it works on it."""
    invoke: Callable[[Any], "tuple[ray.ObjectRef[State[Any]], ray.ObjectRef[Outcome]]"] | None
    """Holds the results of upstream tasks: dropped once the call is finished, or the object store would keep them."""
    report_state: Callable[[State[Any]], None]
    """Reports a final state to Prefect's API where no actor can."""
    state: "Future[State[Any]]" = field(default_factory=Future)
    value: "ray.ObjectRef[State[Any]] | None" = None
    outcome: Outcome | None = None
    deadline: float = 0.0
    incarnation: int = 0
    """Which process of its actor it was sent to."""
    suspect: bool = False
    """A process that ran it has died: it is run with nothing beside it, to see whether it was the cause."""
    crashes: int = 0
    """How many processes have died while they ran it and nothing else."""

    def finish(self, outcome: Outcome, value: "ray.ObjectRef[State[Any]] | None" = None) -> None:
        """Set the outcome, unless there is one already."""
        if not self.state.done():
            self.outcome, self.value, self.invoke = outcome, value, None
            self.state.set_result(outcome.state)

    def fail(self, reason: str, *, lasting: bool = False) -> None:
        """End as Crashed, here and in the API."""
        state: State[Any] = Crashed(message=reason)
        # First, so that nobody waits for ever if the report fails.
        self.finish(Outcome(state, error=reason, lasting=lasting))
        self._report(state)

    def cancel(self, reason: str, *, has_run: bool = False) -> None:
        """End as Cancelled; in the API too if it `has_run`, so that the API has seen it."""
        self.finish(Outcome(Cancelled(message=reason), error=reason))
        if has_run:
            self._report(Cancelled(message=reason))

    def _report(self, state: State[Any]) -> None:
        try:
            self.report_state(state)
        except Exception:  # that Prefect shows a task run as running is no reason to end a run
            logger.exception("the end of a task run could not be recorded")
