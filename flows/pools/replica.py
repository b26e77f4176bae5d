"""An actor of a pool, and the calls that it runs."""

import time
from dataclasses import dataclass, field
from typing import Any

from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from flows.host import allocator_env
from flows.pools.call import Call
from flows.pools.sizing import PoolSpec
from flows.pools.warm.kept_set import actor_name
from flows.pools.worker import ActorOptions, StageActor

RELOAD_DELAY_S = 1.0
"""How long after its death an actor is told to load its models again."""
SURPLUS_TIMEOUT_S = 300.0
"""The seconds that a surplus actor has to come up; its models are on the disk, since others have loaded them."""


@dataclass(eq=False)
class Replica:
    """An actor and the calls that it runs. Ray restarts its process when that dies."""

    actor: Any
    spec: PoolSpec
    surplus: bool = False
    """Added by the autoscaler: its pool works without it too."""
    started_at: float = field(default_factory=time.monotonic)
    ready: bool = False
    """Its models are loaded."""
    incarnation: int = 0
    """Counts its processes, so that the error of a call that an earlier one ran is not taken for another crash."""
    calls: set[Call] = field(default_factory=set)
    restarts: int | None = None
    """How many of its processes had died when it was last ready; None before it first is."""
    in_doubt: list[Call] = field(default_factory=list)
    """Calls whose result is lost: the process has died, or was unreachable for some time."""
    lost_at: float = 0.0
    """When it was last found dead or unreachable."""
    load_at: float | None = None
    """When to tell it to load its models again."""
    failed_loads: int = 0
    hung: bool = False

    @property
    def free_slots(self) -> int:
        """How many more calls it may be assigned."""
        if not self.ready or any(call.suspect for call in self.calls):
            return 0
        return self.spec.slots - len(self.calls)

    @property
    def counts(self) -> bool:
        """Whether it is part of its pool: a surplus actor, for which there may be no room, only once it is ready."""
        return self.ready or not self.surplus

    def is_overdue(self, now: float) -> bool:
        """Return whether it is a surplus actor that has not come up in time: Ray may have no room for it after all."""
        return self.surplus and self.restarts is None and now > self.started_at + SURPLUS_TIMEOUT_S

    def assign(self, call: Call) -> None:
        """Add a call, with its deadline; it may have to wait for those that are there."""
        call.incarnation = self.incarnation
        call.deadline = time.monotonic() + call.timeout_s + sum(other.timeout_s for other in self.calls)
        self.calls.add(call)

    def mark_lost(self, now: float) -> None:
        """Assign it no more calls before its models are loaded again."""
        self.ready, self.lost_at, self.load_at = False, now, now + RELOAD_DELAY_S

    def hangs(self) -> bool:
        """Return whether one of its calls has passed its deadline."""
        return any(time.monotonic() > call.deadline for call in self.calls)


def start_replica(
    spec: PoolSpec,
    options: ActorOptions,
    place: PlacementGroupSchedulingStrategy,
    *,
    surplus: bool = False,
    runtime_env: dict[str, dict[str, str]] | None = None,
    kept_set: str = "",
    number: int = 0,
) -> Replica:
    """Start an actor in a reserved place, which has no CPUs for a surplus actor.

    With the name of a `kept_set`, it may stay after the run, as actor `number` of its pool.
    """
    lasting = {"name": actor_name(kept_set, spec.name, number), "lifetime": "detached"} if kept_set else {}
    actor = StageActor.options(
        **lasting,
        num_cpus=0 if surplus else spec.num_cpus,
        num_gpus=spec.num_gpus,
        max_concurrency=spec.slots,
        max_restarts=-1,
        # What a dead actor was running is for the dispatcher to decide; Ray would run it all again at once.
        max_task_retries=0,
        runtime_env=runtime_env or allocator_env.runtime_env(),
        scheduling_strategy=place,
    ).remote(spec.parallel, options.models.threads or spec.threads, offline=options.models.offline, kept_set=kept_set)
    return Replica(actor, spec, surplus=surplus)
