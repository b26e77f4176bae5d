"""One pool: its actors, the calls that wait for them, and how many actors it should have."""

import heapq
import itertools
import logging
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace

import ray
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from flows.pools.autoscaler import Autoscaler
from flows.pools.call import Call
from flows.pools.replica import Replica, start_replica
from flows.pools.sizing import PoolSpec
from flows.pools.worker import ActorOptions
from tasks.stage_table import STAGES

logger = logging.getLogger(__name__)


class Pool:
    """The actors of some stages on one machine. Only for the dispatcher's thread."""

    def __init__(self, spec: PoolSpec, replicas: list[Replica]) -> None:
        self.spec = spec
        self.replicas = replicas
        self.suspects: deque[Call] = deque()
        """Calls whose actor died: each is run with nothing beside it, which shows which of them is the cause."""
        self._waiting: list[tuple[int, int, Call]] = []
        self._order = itertools.count()
        self._autoscaler = Autoscaler(spec.slots, len(replicas)) if spec.surplus_num_gpus else None

    def enqueue(self, call: Call) -> None:
        """Queue a call: those of later stages go first, then first come, first served."""
        if call.suspect:
            self.suspects.append(call)
            return
        heapq.heappush(self._waiting, (-STAGES.index(call.stage), next(self._order), call))

    @property
    def ready(self) -> list[Replica]:
        """The actors whose models are loaded."""
        return [replica for replica in self.replicas if replica.ready]

    @property
    def is_used(self) -> bool:
        """Whether a call waits or runs."""
        return bool(self._waiting or self.suspects or any(each.calls or each.in_doubt for each in self.replicas))

    @property
    def has_room(self) -> bool:
        """Whether another call would soon be run: once the free slots are taken, fewer wait than there are slots.

        Some must wait here, or the autoscaler would see none.
        """
        return len(self._waiting) < sum(self.spec.slots + each.free_slots for each in self.ready)

    def withdraw(self) -> list[Call]:
        """Return the calls that wait or run, and forget them."""
        calls = [call for *_, call in sorted(self._waiting)] + list(self.suspects)
        self._waiting.clear()
        self.suspects.clear()
        for replica in self.replicas:
            calls += [*replica.calls, *replica.in_doubt]
            replica.calls.clear()
            replica.in_doubt.clear()
        return calls

    def withdraw_waiting_for(self, nodes: Collection[str]) -> list[Call]:
        """Return the running calls that may wait for results on these machines, and forget them."""
        waiting = []
        for replica in self.replicas:
            for call in [call for call in replica.calls if any(each.node in nodes for each in call.inputs.values())]:
                replica.calls.discard(call)
                waiting.append(call)
        return waiting

    def assignments(self) -> Iterator[tuple[Call, Replica]]:
        """Yield each call for which an actor is free, with the actor; the caller assigns it before it asks for more."""
        for replica in self.replicas:
            if self.suspects and replica.ready and not replica.calls:
                yield self.suspects.popleft(), replica
        # While there are suspects, actors run dry until one is free for them.
        while self._waiting and not self.suspects:
            replica = max(self.replicas, key=lambda replica: replica.free_slots)
            if not replica.free_slots:
                return
            yield heapq.heappop(self._waiting)[2], replica

    def running(self) -> list[Call]:
        """Return the calls that its actors run."""
        return [call for replica in self.replicas for call in replica.calls]

    def cancel_waiting(self, reason: str) -> None:
        """Cancel the calls that wait to be run, and those that wait to be run again."""
        waiting, again = [call for *_, call in self._waiting], list(self.suspects)
        self._waiting.clear()
        self.suspects.clear()
        for replica in self.replicas:
            again += replica.in_doubt
            replica.in_doubt.clear()
        for call in waiting:
            call.cancel(reason)
        for call in again:
            call.cancel(reason, has_run=True)

    def record_finished(self, call: Call) -> None:
        """Count a call that an actor has finished; the autoscaler measures the pool's first stage."""
        if self._autoscaler and call.stage == self.spec.stages[0]:
            self._autoscaler.record(call.audio_s)

    def replica_to_copy(self, now: float, audio_left: Callable[[], float]) -> Replica | None:
        """Return an actor whose GPU should be asked for free memory, if more actors should be started."""
        ready = self.ready
        grows = self._autoscaler and self._autoscaler.should_grow(
            waiting=len(self._waiting), actors=len(ready), now=now, audio_left=audio_left
        )
        return ready[0] if grows else None

    def grow(self, options: ActorOptions, places: list[PlacementGroupSchedulingStrategy]) -> list[Replica]:
        """Start a surplus actor in each place, one on each GPU, and return them; without places none, now or later."""
        if not places:
            logger.info("files wait for the pool %s; there is no room for more actors", self.spec.name)
            self.stop_growing()
            return []
        spec = replace(self.spec, num_gpus=self.spec.surplus_num_gpus)
        started = [start_replica(spec, options, place, surplus=True) for place in places]
        self.replicas += started
        logger.info("files wait for the pool %s: it has %d actors from now on", spec.name, len(self.replicas))
        return started

    def stop_growing(self) -> None:
        """Add no more actors."""
        if self._autoscaler:
            self._autoscaler.stopped = True

    def drop(self, replica: Replica, reason: str) -> None:
        """Remove a surplus actor."""
        self.stop_growing()
        if replica in self.replicas:
            logger.warning("the pool %s does without one more actor: %s", self.spec.name, reason)
            self.replicas.remove(replica)
            ray.kill(replica.actor)
