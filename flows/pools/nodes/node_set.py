"""The actors of all pools on one machine."""

import logging
from collections.abc import Callable
from functools import partial

import ray

from flows.pools.call import Call
from flows.pools.failure_policy import FailurePolicy
from flows.pools.nodes.growth import Growth
from flows.pools.nodes.held_audio import HeldAudio
from flows.pools.nodes.standby import runtime_env_of
from flows.pools.placement import bundles_of, place
from flows.pools.pool import Pool
from flows.pools.replica import Replica, start_replica
from flows.pools.sizing import PoolSpec
from flows.pools.startup import Startup
from flows.pools.warm.kept_set import KeptSet, actor_name, new_name
from flows.pools.warm.takeover import leave
from flows.pools.worker import ActorOptions
from flows.services.ray_cluster.node import Node
from flows.services.ray_cluster.reservation import Reservation

logger = logging.getLogger(__name__)


class NodeSet:
    """The pools on one machine, what is reserved for them there, and the files whose decoded audio is there.

    A file's stages run on one machine, since they read its audio from that machine's object store. The set ends with
    its machine. Only for the dispatcher's thread, apart from the start of the first ones.
    """

    def __init__(
        self,
        node: Node,
        specs: list[PoolSpec],
        options: ActorOptions,
        budget_bytes: int | None,
        post: Callable[[Callable[[], None]], None],
        notify: Callable[["NodeSet", str], object],
        give_up: Callable[["NodeSet", Replica, Exception], None],
        kept: KeptSet | None = None,
    ) -> None:
        """Reserve the room and start the actors; see Startup. Raises CannotBePlaced if the machine is too small.

        With a set that an earlier run has `kept`, go on with its room and actors.
        """
        bundles = place(specs, [node])
        self.node = node
        self._options = options
        self.specs = specs
        self._kept = kept
        self._name = kept.name if kept else new_name() if options.warm and options.warm.keep_s else ""
        """Of the set as one that stays after the run; empty if it ends with it."""
        self._reservation = Reservation(
            [bundle.resources for bundle in bundles], node.id, self._name, taken_over=kept is not None
        )
        self.pools = [
            Pool(spec, [self._replica(spec, number, i) for number, i in enumerate(bundles_of(spec, bundles))])
            for spec in specs
        ]
        self.pool_of = {stage: pool for pool in self.pools for stage in pool.spec.stages}
        self.failures = FailurePolicy(node, self.pool_of, partial(give_up, self))
        self.startup = Startup(self.pools, options, self._reservation, post, partial(notify, self), self.failures)
        self.growth = Growth(self.pools, bundles, self._reservation, node.cpus, self.startup, post)
        self.audio = HeldAudio(node, budget_bytes)
        self._suspect: Call | None = None
        """The last call that came here and may be the cause that machines die."""
        for replica in self.replicas:
            self.startup.load(replica)

    def _replica(self, spec: PoolSpec, number: int, bundle: int) -> Replica:
        if self._kept:
            return Replica(ray.get_actor(actor_name(self._name, spec.name, number)), spec)
        place = self._reservation.strategy(bundle)
        runtime_env = runtime_env_of(spec, self.node, self._options.models)
        return start_replica(spec, self._options, place, runtime_env=runtime_env, kept_set=self._name, number=number)

    @property
    def replicas(self) -> list[Replica]:
        """The actors of all its pools."""
        return [replica for pool in self.pools for replica in pool.replicas]

    @property
    def window(self) -> int:
        """How many files keep every actor busy: for each that it works on, one that is ready for it."""
        if self.node.draining:
            return 0
        return 2 * sum(replica.spec.parallel for replica in self.replicas if replica.counts)

    @property
    def is_up(self) -> bool:
        """Whether each pool has an actor whose models are loaded."""
        return all(pool.ready for pool in self.pools)

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits or runs here, and no later call needs what is here."""
        return not self.audio and not any(pool.is_used for pool in self.pools)

    @property
    def is_placed(self) -> bool:
        """Whether it has the room that it reserves, as Ray says now."""
        return self._reservation.placed

    def accepts(self, call: Call) -> bool:
        """Return whether a call that could run on any machine should be run here now."""
        pool = self.pool_of.get(call.stage)
        has_room = bool(pool and pool.has_room) and self.audio.has_room_for(call)
        return has_room and not self.node.draining and self.isolates(call)

    def isolates(self, call: Call) -> bool:
        """Return whether this is the only call here that may be the cause that machines die, or is none."""
        other = self._suspect
        there = other and other is not call and other.node == self.node.id and not other.ended
        return not (call.may_kill_nodes and there)

    @property
    def load(self) -> float:
        """How many files it has, as a share of what keeps its actors busy."""
        return len(self.audio) / max(self.window, 1)

    def enqueue(self, call: Call) -> None:
        """Queue a call here."""
        call.node = self.node.id
        self.audio.add(call)
        if call.may_kill_nodes:
            self._suspect = call
        self.pool_of[call.stage].enqueue(call)

    def running(self) -> list[Call]:
        """Return the calls that its actors run, also those of which it is not known whether they still do."""
        return [call for replica in self.replicas for call in (*replica.calls, *replica.in_doubt)]

    def check_actors(self, now: float) -> None:
        """Kill actors that hang, let those that Ray has restarted load their models, drop those that are overdue."""
        for replica in self.replicas:
            if replica.load_at and now > replica.load_at:
                self.startup.load(replica)
            if not replica.hung and replica.hangs():
                replica.hung = True
                ray.kill(replica.actor, no_restart=False)
        for pool in self.pools:
            for replica in [replica for replica in pool.replicas if replica.is_overdue(now)]:
                pool.drop(replica, "it has not come up")

    def keep(self) -> KeptSet | None:
        """Leave the actors to the next run. Return what is kept; None, and nothing is kept, if any has had trouble."""
        warm, replicas = self._options.warm, [replica for replica in self.replicas if not replica.surplus]
        if not (warm and warm.keep_s):
            return None
        if any(not each.ready or each.restarts or each.calls for each in replicas):
            logger.warning("nothing stays warm on %s: a process has died, or is not done", self.node)
            return None
        for replica in self.replicas:
            if replica.surplus:
                ray.kill(replica.actor)
        actors = [replica.actor for replica in replicas]
        return leave(warm, self._name, self.node, self.specs, self._kept, actors)

    def close(self) -> list[Call]:
        """End the actors, give back what is reserved, and return the calls that waited or ran here."""
        self.growth.stop()
        calls = [call for pool in self.pools for call in pool.withdraw()]
        for replica in self.replicas:
            ray.kill(replica.actor)  # no restart: without their placement group they would wait for ever
        self._reservation.release()
        return calls
