"""Pools of warm actors: started first, alive for the whole run, given work as their slots come free."""

import contextvars
import heapq
import itertools
import logging
import queue
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import ray
from prefect.states import Cancelled, Crashed, State
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from flows.actor import ActorFacts, Models, StageActor
from flows.layout import STAGES, Bundle, PoolSpec
from flows.task_runner import Outcome, named

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class Call:
    """A task run on its way through a pool."""

    stage: str
    invoke: Callable[[Any], "tuple[ray.ObjectRef[State[Any]], ray.ObjectRef[Outcome]]"] | None
    """Holds what upstream tasks returned: dropped once the actor has it, or the object store would keep that."""
    tell: Callable[[State[Any]], None]
    """Tells Prefect's API of a final state that no actor can tell it."""
    state: "Future[State[Any]]" = field(default_factory=Future)
    value: "ray.ObjectRef[State[Any]] | None" = None
    outcome: Outcome | None = None

    def finish(self, outcome: Outcome, value: "ray.ObjectRef[State[Any]] | None" = None) -> None:
        """Make the outcome known to those who wait for it, unless it is already."""
        if not self.state.done():
            self.outcome, self.value = outcome, value
            self.state.set_result(outcome.state)


@dataclass(eq=False)
class _Member:
    actor: Any
    free: int


class _Pool:
    def __init__(self, spec: PoolSpec, members: list[_Member]) -> None:
        self.spec = spec
        self.members = members
        self.waiting: list[tuple[int, int, Call]] = []


class Pools:
    """The pools of a run. One thread of its own does all the giving out, so its state needs no locks.

    A call waits here, not at an actor, until a slot is free: so no actor idles while another has a queue, and calls
    of later stages overtake.
    """

    def __init__(self, specs: list[PoolSpec], bundles: list[Bundle], batch: Models) -> None:
        self._group: PlacementGroup = placement_group([bundle.resources for bundle in bundles], strategy="PACK")
        self._pools = [_Pool(spec, self._start(spec, bundles, batch)) for spec in specs]
        self._members = [member for pool in self._pools for member in pool.members]
        self._events: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._order = itertools.count()
        self._in_flight: set[Call] = set()
        self._cancelled: str | None = None
        self.running: Counter[str] = Counter()
        self.broken: Future[Exception] = Future()
        """Ends, with the reason, if the pools can give out no more work."""
        self.loaded: list[Future[None]] = [
            member.actor.load.options(max_task_retries=0).remote(pool.spec.stages, batch).future()
            for pool in self._pools
            for member in pool.members
        ]
        self.window = 2 * sum(spec.parallel * spec.size for spec in specs)
        """How many files in flight keep every actor busy: for each that it works on, one that is ready for it."""
        # In the context of the run, where Prefect finds its server: without, it would start one of its own.
        run = contextvars.copy_context().run
        self._thread = threading.Thread(target=run, args=(self._give_out,), name="pools", daemon=True)
        self._thread.start()

    def _start(self, spec: PoolSpec, bundles: list[Bundle], batch: Models) -> list[_Member]:
        places = [i for i, bundle in enumerate(bundles) for pool in bundle.pools if pool == spec.name]
        return [
            _Member(
                StageActor.options(
                    num_cpus=spec.num_cpus,
                    num_gpus=spec.num_gpus,
                    max_concurrency=spec.slots,
                    # An actor that dies comes back and runs what it was running once more, under the same task run.
                    max_restarts=-1,
                    max_task_retries=1,
                    scheduling_strategy=PlacementGroupSchedulingStrategy(
                        self._group, placement_group_bundle_index=place
                    ),
                ).remote(spec.parallel, batch.models.threads or spec.threads),
                spec.slots,
            )
            for place in places
        ]

    def submit(self, stage: str, invoke: Callable[[Any], Any], tell: Callable[[State[Any]], None]) -> Call:
        """Queue a call for the pool of `stage`; see Call."""
        call = Call(stage, invoke, tell)
        self._events.put(partial(self._enqueue, call))
        return call

    def cancel(self, reason: str) -> None:
        """End every call that waits or runs, now and from now on, as Cancelled; the actors are not waited for."""
        self._events.put(partial(self._cancel, reason))

    def placed(self, timeout: float) -> bool:
        """Tell whether the cluster has room for the pools, after at most `timeout` seconds."""
        return bool(self._group.wait(timeout))

    def facts(self, timeout: float = 10) -> list[ActorFacts]:
        """Ask every actor for its facts; one that does not answer in time is left out."""
        asked = [member.actor.facts.remote() for member in self._members]
        ready, _ = ray.wait(asked, num_returns=len(asked), timeout=timeout)
        answers = []
        for answer in ready:
            try:
                answers.append(ray.get(answer))
            except RayError as error:
                logger.warning("an actor did not answer: %s", error)
        return answers

    def close(self) -> list[ActorFacts]:
        """Let the actors send what Prefect still holds of their states and logs, end them, return their last facts."""
        facts = self.facts(timeout=2 if self._cancelled else 10)
        self._events.put(None)
        self._thread.join(timeout=5)
        for member in self._members:
            ray.kill(member.actor)  # no restart: without their placement group they would wait for one for ever
        remove_placement_group(self._group)
        for call in self._in_flight:
            call.tell(Cancelled(message=self._cancelled))
        return facts

    # What follows runs in the pools' own thread.

    def _give_out(self) -> None:
        while (event := self._events.get()) is not None:
            try:
                event()
                for pool in self._pools:
                    while pool.waiting and (member := max(pool.members, key=lambda member: member.free)).free:
                        self._invoke(heapq.heappop(pool.waiting)[2], member)
            except Exception as error:  # Ray is gone, most likely: those who wait for this thread must hear of it
                self._cancel(named(error))
                if not self.broken.done():
                    self.broken.set_result(error)

    def _enqueue(self, call: Call) -> None:
        if self._cancelled:
            call.finish(_cancelled(self._cancelled))
            return
        pool = next(pool for pool in self._pools if call.stage in pool.spec.stages)
        heapq.heappush(pool.waiting, (-STAGES.index(call.stage), next(self._order), call))

    def _invoke(self, call: Call, member: _Member) -> None:
        member.free -= 1
        self.running[call.stage] += 1
        self._in_flight.add(call)
        invoke, call.invoke = call.invoke, None
        value, outcome = invoke(member.actor)  # type: ignore[misc]
        outcome.future().add_done_callback(
            lambda outcome: self._events.put(partial(self._finished, call, member, value, outcome))
        )

    def _finished(
        self, call: Call, member: _Member, value: "ray.ObjectRef[State[Any]]", outcome: "Future[Outcome]"
    ) -> None:
        member.free += 1
        self.running[call.stage] -= 1
        self._in_flight.discard(call)
        error = outcome.exception()
        if error is None:
            call.finish(outcome.result(), value)
        elif self._cancelled:
            call.finish(_cancelled(self._cancelled))
        else:
            died = isinstance(error, RayActorError) and not error.actor_init_failed
            cause = error.cause if isinstance(error, RayTaskError) else error
            state: State[Any] = Crashed(message=str(error))
            # First of all, so that nobody waits for ever, whatever becomes of the rest.
            call.finish(Outcome(state, error="the worker process died" if died else named(cause)))
            call.tell(state)

    def _cancel(self, reason: str) -> None:
        self._cancelled = reason
        waiting = [call for pool in self._pools for *_, call in pool.waiting]
        for pool in self._pools:
            pool.waiting.clear()
        # A write takes milliseconds, and is better known to have happened.
        running = [call for call in self._in_flight if call.stage != "write"]
        for call in [*waiting, *running]:
            call.finish(_cancelled(reason))


def _cancelled(reason: str) -> Outcome:
    return Outcome(Cancelled(message=reason), error=reason)
