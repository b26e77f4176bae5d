"""All pools of a run: warm actors that are started first and live until its end."""

import logging
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import ray
from prefect.states import Cancelled, State
from ray.exceptions import RayError

from flows.pools.call import Call, timeout_for
from flows.pools.dispatcher import Dispatcher
from flows.pools.placement import Bundle, bundles_of
from flows.pools.pool import Pool
from flows.pools.replica import Replica, start_replica
from flows.pools.sizing import PoolSpec
from flows.pools.worker import ActorFacts, ActorOptions
from flows.services.reservation import Reservation

logger = logging.getLogger(__name__)


class Pools:
    """The pools of a run: their actors, the resources that are reserved for them, and the dispatcher."""

    def __init__(
        self, specs: list[PoolSpec], bundles: list[Bundle], options: ActorOptions, stage_timeout: float | None = None
    ) -> None:
        self.specs = specs
        self._stage_timeout = stage_timeout
        self._closed = False
        self._reservation = Reservation([bundle.resources for bundle in bundles])
        pools = [
            Pool(spec, [start_replica(spec, options, self._reservation.strategy(i)) for i in bundles_of(spec, bundles)])
            for spec in specs
        ]
        self._dispatcher = Dispatcher(pools, options, self._reservation)

    @property
    def stages(self) -> frozenset[str]:
        """The stages whose models are loaded."""
        return frozenset(stage for spec in self.specs for stage in spec.stages)

    @property
    def _replicas(self) -> list[Replica]:
        """The actors, without surplus ones that have not come up."""
        return [replica for replica in self._dispatcher.replicas if replica.counts]

    @property
    def max_in_flight(self) -> int:
        """How many files in flight keep every actor busy: for each that it works on, one that is ready for it."""
        return 2 * sum(replica.spec.parallel for replica in self._replicas)

    @property
    def running(self) -> Counter[str]:
        """How many calls of each stage the actors run."""
        return self._dispatcher.running

    @property
    def broken(self) -> "Future[BaseException]":
        """Done, with the reason, once no call can be run any more: models that do not load, Ray that is gone."""
        return self._dispatcher.broken

    def wait_placed(self, timeout: float) -> bool:
        """Return whether the cluster has room for the pools, after at most `timeout` seconds."""
        return self._reservation.wait(timeout)

    @property
    def waited_s(self) -> float:
        """How long the pools have waited for room in the cluster."""
        return self._dispatcher.startup.waited_s

    def start(self, audio_left: Callable[[], float], notify: Callable[[str], object] = logger.warning) -> None:
        """Start to run calls, for the current flow run; until then they wait, while the models load.

        `audio_left` returns the seconds of audio that are not done yet: no pool grows for a few. `notify` tells the
        user what the pools wait for.
        """
        self._dispatcher.start(audio_left, notify)

    def submit(
        self, stage: str, audio_s: float, invoke: Callable[[Any], Any], report_state: Callable[[State[Any]], None]
    ) -> Call:
        """Queue a call for the pool of `stage`, about so many seconds of audio; see Call."""
        call = Call(stage, audio_s, timeout_for(audio_s, self._stage_timeout), invoke, report_state)
        self._dispatcher.submit(call)
        return call

    def cancel(self, reason: str) -> None:
        """Cancel every call that waits or runs, now and from now on; the actors are not waited for."""
        self._dispatcher.cancel(reason)

    def facts(self, timeout: float = 10) -> list[ActorFacts]:
        """Return the facts of every actor that answers in time."""
        asked = [replica.actor.facts.remote() for replica in self._replicas]
        ready, _ = ray.wait(asked, num_returns=len(asked), timeout=timeout)
        answers = []
        for answer in ready:
            try:
                answers.append(ray.get(answer))
            except RayError as error:
                logger.warning("an actor did not answer: %s", error)
        return answers

    def close(self) -> list[ActorFacts]:
        """Let the actors send their states and logs to Prefect, end them, and return their last facts.

        The second time it does nothing.
        """
        if self._closed:
            return []
        self._closed = True
        facts = []
        try:
            if self._dispatcher.started:
                facts = self.facts(timeout=2 if self._dispatcher.cancelled else 10)
        finally:
            self._dispatcher.stop()
            if self._dispatcher.has_ray:
                for replica in self._dispatcher.replicas:
                    ray.kill(replica.actor)  # no restart: without their placement group they would wait for ever
                self._reservation.release()
        for call in self._dispatcher.unfinished():
            call.report_state(Cancelled(message=self._dispatcher.cancelled))
        return facts
