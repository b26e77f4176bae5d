"""One pool: its actors, the calls that wait for them, and how many actors there are to be."""

import heapq
import logging
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace

import ray

from flows.pools.autoscaler import SPARE, Growth
from flows.pools.call import Call
from flows.pools.replica import Member, start_member
from flows.pools.sizing import PoolSpec
from flows.pools.worker import Models
from tasks.storage.results import STAGES

logger = logging.getLogger(__name__)


class Pool:
    """The actors of some stages. For the dispatcher's thread alone."""

    def __init__(self, spec: PoolSpec, members: list[Member]) -> None:
        self.spec = spec
        self.members = members
        self.suspects: deque[Call] = deque()
        """Those whose actor died: each is run with nothing beside it, so that it shows which of them is the cause."""
        self._waiting: list[tuple[int, int, Call]] = []
        self._growth = Growth(spec.slots, len(members)) if spec.extra_num_gpus else None

    def put(self, call: Call, order: int) -> None:
        """Let a call wait; those of later stages go first, then those of lower order."""
        heapq.heappush(self._waiting, (-STAGES.index(call.stage), order, call))

    def due(self) -> Iterator[tuple[Call, Member]]:
        """Yield each call that an actor is free for, with the actor, which must take it."""
        for member in self.members:
            if self.suspects and member.ready and not member.calls:
                yield self.suspects.popleft(), member
        # While there are suspects, actors run dry until one is free for them.
        while (
            self._waiting and not self.suspects and (member := max(self.members, key=lambda member: member.free)).free
        ):
            yield heapq.heappop(self._waiting)[2], member

    def running(self) -> list[Call]:
        """Return the calls that its actors have."""
        return [call for member in self.members for call in member.calls]

    def clear(self) -> tuple[list[Call], list[Call]]:
        """Let go of the calls that wait to be run, and of those that wait to be run again, and return both."""
        waiting, again = [call for *_, call in self._waiting], list(self.suspects)
        self._waiting.clear()
        self.suspects.clear()
        for member in self.members:
            again += member.doubted
            member.doubted.clear()
        return waiting, again

    def passed(self, call: Call) -> None:
        """Count a call that an actor is through with."""
        if self._growth and call.stage == self.spec.stages[0]:
            self._growth.through(call.audio_s)

    def wants_more(self, now: float, audio_left: Callable[[], float]) -> Member | None:
        """Return an actor to ask for the free memory of its GPU, if there should be one more beside it."""
        ready = [member for member in self.members if member.ready]
        due = self._growth and self._growth.due(
            waiting=len(self._waiting), actors=len(ready), now=now, audio_left=audio_left
        )
        return ready[0] if due else None

    def grow(self, batch: Models, memory_free: float) -> Member | None:
        """Start one more actor, if its GPU and Ray seem to have room for it; if not, no other is tried."""
        spec = replace(self.spec, num_gpus=self.spec.extra_num_gpus)
        room = ray.available_resources()  # type: ignore[no-untyped-call]
        if memory_free < SPARE or room.get("GPU", 0) < spec.num_gpus or room.get("CPU", 0) < spec.num_cpus:
            logger.info("files wait for the pool %s; there is no room for an actor more", self.spec.name)
            self.settle()
            return None
        self.members.append(start_member(spec, batch))
        logger.info("files wait for the pool %s: it gets an actor more, %d in all", spec.name, len(self.members))
        return self.members[-1]

    def settle(self) -> None:
        """Keep to the actors that there are."""
        if self._growth:
            self._growth.settled = True

    def drop(self, member: Member, reason: str) -> None:
        """Do without an actor that it has got on top of its own."""
        self.settle()
        if member in self.members:
            logger.warning("the pool %s does without one more actor: %s", self.spec.name, reason)
            self.members.remove(member)
            ray.kill(member.actor)
