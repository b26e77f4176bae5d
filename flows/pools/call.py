"""A task run on its way through a pool."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import ray
from prefect.states import Cancelled, Crashed, State

from flows.pools.outcome import Outcome
from tasks.audio.types import BYTES_PER_SECOND
from tasks.stage_table import STAGES
from tasks.storage.results import StoredResult

logger = logging.getLogger(__name__)

Inputs = dict[str, "ray.ObjectRef[State[Any]] | StoredResult"]

MIN_TIMEOUT_S, TIMEOUT_FACTOR = 1800.0, 20.0
"""The default time limit of a stage: half an hour, for models that are yet to be downloaded, plus 20 times the length
of the audio, which large models need on a slow CPU."""
CHANCE_DEATHS = 2
"""How many machines may die while they run a call before it is taken for a possible cause. Were it 1, all that ran on
two of three machines that are taken back would be run one by one on the third, to the end of a batch."""


def timeout_for(audio_s: float, stage_timeout: float | None) -> float:
    """Return the time limit of a stage for so many seconds of audio; `stage_timeout` is the user's."""
    return stage_timeout or MIN_TIMEOUT_S + TIMEOUT_FACTOR * audio_s


@dataclass(eq=False)
class Call:
    """A task run on its way through a pool."""

    stage: str
    audio_s: float
    invoke: "Callable[[Any, Inputs], tuple[ray.ObjectRef[State[Any]], ray.ObjectRef[Outcome]]] | None"
    """Calls an actor, with the results of upstream tasks by the names of the parameters. It refers to objects of Ray,
    which must not outlive the run: dropped with the result."""
    report_state: Callable[[State[Any]], None]
    """Reports a final state to Prefect's API where no actor can."""
    inputs: "dict[str, Call]" = field(default_factory=dict)
    """The finished calls whose results it takes, by the names of the parameters."""
    stored: StoredResult | None = None
    """Where its result is stored too, for the case that the machine that holds it dies."""
    timeout_s: float = MIN_TIMEOUT_S
    """The seconds that an actor has to finish it, once it works on it."""
    state: "Future[State[Any]]" = field(default_factory=Future)
    value: "ray.ObjectRef[State[Any]] | None" = None
    node: str = ""
    """The identifier of the machine that runs it, and then holds its result."""
    released: bool = False
    """Its result is not needed any more."""
    repeated: bool = False
    """It is run once more, since its result is lost."""
    attempts: int = 0
    """How often it was sent to an actor: what comes of an attempt that was given up does not count."""
    losses: int = 0
    """How often Ray has lost its inputs while their machines were up."""
    outcome: Outcome | None = None
    deadline: float = 0.0
    incarnation: int = 0
    """Which process of its actor it was sent to."""
    suspect: bool = False
    """A process that ran it has died: it is run with nothing beside it, to see whether it was the cause."""
    crashes: int = 0
    """How many processes have died while they ran it and nothing else."""
    node_deaths: int = 0
    """How many machines have died while they ran it."""

    @property
    def may_kill_nodes(self) -> bool:
        """Whether machines may die because of it: one or two deaths are chance, as machines are also taken back."""
        return self.node_deaths > CHANCE_DEATHS

    @property
    def ended(self) -> bool:
        """Whether it has its outcome, and is not repeated."""
        return self.state.done() and not self.repeated

    @property
    def audio_bytes(self) -> int:
        """What its result takes in the object store, if that is decoded audio."""
        return int(self.audio_s * BYTES_PER_SECOND) if self.stage == STAGES[0] else 0

    def finish(self, outcome: Outcome, value: "ray.ObjectRef[State[Any]] | None" = None) -> None:
        """Set the outcome, unless there is one already and the call is not repeated."""
        first = not self.state.done()
        if first or self.repeated:
            self.outcome, self.value, self.repeated = outcome, None if self.released else value, False
        if first:
            with suppress(InvalidStateError):  # another thread was quicker
                self.state.set_result(outcome.state)

    def release(self) -> None:
        """Let the object store drop the result."""
        self.released, self.value, self.invoke, self.inputs = True, None, None, {}

    def fail(self, reason: str) -> None:
        """End as Crashed, here and in the API.

        Later runs try it again: a process or a machine may have died for want of memory, which the system does not say.
        """
        state: State[Any] = Crashed(message=reason)
        # First, so that nobody waits for ever if the report fails.
        self.finish(Outcome(state, error=reason))
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


class UnfinishedCalls:
    """The calls that have no outcome yet, for whoever must not leave anybody waiting. For any thread."""

    def __init__(self) -> None:
        self._calls: set[Call] = set()
        self._lock = threading.Lock()

    def add(self, call: Call) -> None:
        """Add a call, until it has its outcome."""
        with self._lock:
            self._calls.add(call)
        call.state.add_done_callback(lambda _: self._discard(call))

    def _discard(self, call: Call) -> None:
        with self._lock:
            self._calls.discard(call)

    def cancel(self, reason: str) -> None:
        """Cancel them all."""
        with self._lock:
            calls = list(self._calls)
        for call in calls:
            call.cancel(reason)
