"""Pools of warm actors: started first, alive for the whole run."""

import logging
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import ray
from prefect.states import Cancelled, State
from ray.exceptions import RayError

from flows.pools.call import Call, limit
from flows.pools.dispatcher import Dispatcher
from flows.pools.placement import Bundle
from flows.pools.pool import Pool
from flows.pools.replica import Member, start_member
from flows.pools.room import Room
from flows.pools.sizing import PoolSpec
from flows.pools.worker import ActorFacts, Models

logger = logging.getLogger(__name__)


class Pools:
    """The pools of a run: their actors, in the places that are reserved for them, and what gives them work."""

    def __init__(
        self, specs: list[PoolSpec], bundles: list[Bundle], batch: Models, stage_timeout: float | None = None
    ) -> None:
        self.specs = specs
        self._stage_timeout = stage_timeout
        self._closed = False
        self._room = Room(specs, bundles)
        pools = [
            Pool(spec, [start_member(spec, batch, place) for place in self._room.places_of(spec)]) for spec in specs
        ]
        self._dispatcher = Dispatcher(pools, batch, self._room)

    @property
    def stages(self) -> frozenset[str]:
        """The stages whose models are loaded."""
        return frozenset(stage for spec in self.specs for stage in spec.stages)

    @property
    def _members(self) -> list[Member]:
        """The actors that count: not those on top that have not come up."""
        return [member for member in self._dispatcher.members if member.counts]

    @property
    def window(self) -> int:
        """How many files in flight keep every actor busy: for each that it works on, one that is ready for it."""
        return 2 * sum(member.spec.parallel for member in self._members)

    @property
    def running(self) -> Counter[str]:
        """How many calls of each stage the actors have."""
        return self._dispatcher.running

    @property
    def broken(self) -> "Future[BaseException]":
        """Ends, with the reason, if the pools can give out no more work: models that do not load, Ray that is gone."""
        return self._dispatcher.broken

    def placed(self, timeout: float) -> bool:
        """Tell whether the cluster has room for the pools, after at most `timeout` seconds."""
        return self._room.is_there(timeout)

    @property
    def waited_s(self) -> float:
        """How long the pools have waited for room in the cluster."""
        return self._dispatcher.startup.waited_s

    def give_out(self, audio_left: Callable[[], float], say: Callable[[str], object] = logger.warning) -> None:
        """Begin to give out calls, for the current flow run; until then they wait, while the models load.

        `audio_left` tells how many seconds of audio are not done yet: for a few no pool grows. `say` shows the user
        what the pools wait for.
        """
        self._dispatcher.start(audio_left, say)

    def submit(
        self, stage: str, audio_s: float, invoke: Callable[[Any], Any], tell: Callable[[State[Any]], None]
    ) -> Call:
        """Queue a call for the pool of `stage`, about so many seconds of audio; see Call."""
        call = Call(stage, audio_s, limit(audio_s, self._stage_timeout), invoke, tell)
        self._dispatcher.put(call)
        return call

    def cancel(self, reason: str) -> None:
        """End every call that waits or runs, now and from now on, as Cancelled; the actors are not waited for."""
        self._dispatcher.cancel(reason)

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
        """Let the actors send what Prefect still holds of their states and logs, end them, return their last facts.

        Closed once more, they return nothing.
        """
        if self._closed:
            return []
        self._closed = True
        facts = []
        try:
            if self._dispatcher.started:
                facts = self.facts(timeout=2 if self._dispatcher.cancelled else 10)
        finally:
            self._dispatcher.end()
            if self._dispatcher.has_ray:
                for member in self._dispatcher.members:
                    ray.kill(member.actor)  # no restart: without their placement group they would wait for one for ever
                self._room.give_back()
        for call in self._dispatcher.unfinished():
            call.tell(Cancelled(message=self._dispatcher.cancelled))
        return facts
