"""A task run on its way through a pool."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import ray
from prefect.states import State

from flows.pools.task_runner import Outcome

LEAST_S, SLOWEST = 1800.0, 20.0
"""The time that a stage may take if the user sets none: half an hour, for models that are yet to be downloaded, and 20
times the length of the audio, which large models need on a slow CPU."""


def limit(audio_s: float, stage_timeout: float | None) -> float:
    """Return the seconds that a stage may take for so many seconds of audio."""
    return stage_timeout or LEAST_S + SLOWEST * audio_s


@dataclass(eq=False)
class Call:
    """A task run on its way through a pool."""

    stage: str
    audio_s: float
    limit_s: float
    """Seconds in which an actor must be through with it, once it works on it."""
    invoke: Callable[[Any], "tuple[ray.ObjectRef[State[Any]], ray.ObjectRef[Outcome]]"] | None
    """Holds what upstream tasks returned: dropped once the call is finished, or the object store would keep that."""
    tell: Callable[[State[Any]], None]
    """Tells Prefect's API of a final state that no actor can tell it."""
    state: "Future[State[Any]]" = field(default_factory=Future)
    value: "ray.ObjectRef[State[Any]] | None" = None
    outcome: Outcome | None = None
    deadline: float = 0.0
    suspect: bool = False
    """A process has died that ran it: it is run with nothing beside it, to see whether it was the cause."""
    deaths: int = 0
    """How many processes have died while they ran it and nothing else."""

    def finish(self, outcome: Outcome, value: "ray.ObjectRef[State[Any]] | None" = None) -> None:
        """Make the outcome known to those who wait for it, unless it is already."""
        if not self.state.done():
            self.outcome, self.value, self.invoke = outcome, value, None
            self.state.set_result(outcome.state)
