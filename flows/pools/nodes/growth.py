"""Surplus actors: more than a machine's pools start with, on GPUs that have room for them."""

import logging
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial

from ray.exceptions import RayError
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from flows.pools.autoscaler import MIN_FREE_MEMORY
from flows.pools.placement import Bundle, bundles_of
from flows.pools.pool import Pool
from flows.pools.sizing import PoolSpec
from flows.pools.startup import Startup
from flows.services.ray_cluster.reservation import Reservation

logger = logging.getLogger(__name__)


class Growth:
    """Adds actors to the pools of one machine that files wait for. Only for the dispatcher's thread."""

    def __init__(
        self,
        pools: list[Pool],
        bundles: list[Bundle],
        reservation: Reservation,
        cpus: float,
        startup: Startup,
        post: Callable[[Callable[[], None]], None],
    ) -> None:
        """`bundles` are what is reserved, and `cpus` are all that the machine has; `post` is Startup's."""
        self._pools = pools
        self._bundles = bundles
        self._reservation = reservation
        self._cpus = cpus
        self._startup = startup
        self._post = post
        self._stopped = False

    def check(self, now: float, audio_left: Callable[[], float]) -> None:
        """Ask a GPU for free memory if a pool should get more actors, and start these then."""
        for pool in self._pools:
            if replica := pool.replica_to_copy(now, audio_left):
                asked = replica.actor.gpu_memory_free.remote().future()
                asked.add_done_callback(lambda free, pool=pool: self._post(partial(self._grow, pool, free)))

    def stop(self) -> None:
        """Start no more actors, also if a GPU has been asked."""
        self._stopped = True

    def _grow(self, pool: Pool, memory_free: "Future[float]") -> None:
        if self._stopped:
            return
        try:
            places = self._spare_places(pool.spec) if memory_free.result() >= MIN_FREE_MEMORY else []
        except RayError as error:  # a pool works without surplus actors
            logger.warning("the pool %s cannot grow: %s", pool.spec.name, error)
            pool.stop_growing()
        else:
            for replica in pool.grow(self._startup.options, places):
                self._startup.load(replica)

    def _spare_places(self, spec: PoolSpec) -> list[PlacementGroupSchedulingStrategy]:
        """Take a place for a surplus actor on each GPU of a pool; none if one lacks it, or there are too few CPUs."""
        places = dict.fromkeys(bundles_of(spec, self._bundles))
        cpus = self._cpus - sum(replica.spec.num_cpus for pool in self._pools for replica in pool.replicas)
        spare = min(self._bundles[i].spare_gpus for i in places)
        if spare < spec.surplus_num_gpus or cpus < len(places) * spec.num_cpus:
            return []
        for i in places:
            self._bundles[i].spare_gpus = round(self._bundles[i].spare_gpus - spec.surplus_num_gpus, 4)
        return [self._reservation.strategy(i) for i in places]
