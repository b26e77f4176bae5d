"""A task run on its way through a pool, and the actor that runs it: what may be given to whom, and what hangs."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import ray
from prefect.states import State

from flows.layout import PoolSpec
from flows.task_runner import Outcome

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


@dataclass(eq=False)
class Member:
    """An actor and the calls that it runs."""

    actor: Any
    spec: PoolSpec
    ready: bool = False
    life: int = 0
    calls: set[Call] = field(default_factory=set)
    load_at: float | None = None
    """When it is to be told to load its models again."""
    loads: int = 0
    """How often that has failed."""
    hung: bool = False

    @property
    def free(self) -> int:
        """How many more calls it may be given beside those that it has."""
        if not self.ready or any(call.suspect for call in self.calls):
            return 0
        return self.spec.slots - len(self.calls)

    def take(self, call: Call) -> None:
        """Add a call; some of those that are there compute before it."""
        call.deadline = time.monotonic() + call.limit_s + sum(other.limit_s for other in self.calls)
        self.calls.add(call)

    def hangs(self) -> bool:
        """Tell whether one of its calls should have been through by now."""
        return any(time.monotonic() > call.deadline for call in self.calls)
