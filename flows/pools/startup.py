"""Watches the actors of the pools come up: what each pool waits for, what the user is told, and when it is given up."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Literal

from ray.exceptions import ActorUnavailableError, RayTaskError

from flows.pools.failure_policy import DIED, FailurePolicy, killed_by_ray
from flows.pools.pool import Pool
from flows.pools.replica import RELOAD_DELAY_S, Replica
from flows.pools.worker import ActorOptions
from flows.services.failures import RAY_LOGS, ModelsNotLoaded, PoolNotUp, brief
from flows.services.ray_cluster.records import record_of
from flows.services.ray_cluster.reservation import Reservation
from tasks.retries import is_passing

logger = logging.getLogger(__name__)

MAX_FAILED_LOADS = 3
"""How often an actor may fail to load its models, for reasons that may pass, before the run ends."""
CRASHED = f"its process died more than {MAX_FAILED_LOADS} times; {RAY_LOGS} may say why"
CHECK_EVERY_S = 2.0
DOUBT_S = 120.0
"""How long an actor may be unreachable before its calls are run elsewhere."""
NOTIFY_EVERY_S = 300.0
HOLD_EVERY_S = 20.0
"""How often actors that may stay are told that the run has them; see UNCLAIMED_S in warm/tenure.py."""

Lack = Literal["room", "process", "models"]
NOTIFY_AFTER_S: dict[Lack, float] = {"room": 5.0, "process": 120.0, "models": 120.0}
LIMIT_S: dict[Lack, float] = {"room": float("inf"), "process": 900.0, "models": 3600.0}
"""How long a pool may be without any usable actor. There is no limit for other programs to free resources; models may
have to be downloaded."""


@dataclass
class Wait:
    """What a pool waits for, since when, and when the user is told next."""

    lack: Lack
    since: float
    notify_at: float


class Startup:
    """Watches the pools of a machine until their actors can be used, at the start and after an actor has died.

    Only for the dispatcher's thread, apart from the first loads; `post` calls a function in that thread.
    """

    def __init__(
        self,
        pools: list[Pool],
        options: ActorOptions,
        reservation: Reservation,
        post: Callable[[Callable[[], None]], None],
        notify: Callable[[str], object],
        failures: FailurePolicy,
    ) -> None:
        """`notify` tells the user what the pools wait for."""
        self._pools = pools
        self.options = options
        self._reservation = reservation
        self._post = post
        self._failures = failures
        self._notify = notify
        self.placed = False
        """Whether the pools have the room that they reserve."""
        self._waits: dict[str, Wait] = {}
        self._checked_at = self._held_at = time.monotonic()

    def check(self, now: float) -> None:
        """Look at the actors that cannot be used, every few seconds."""
        if now < self._checked_at + CHECK_EVERY_S:
            return
        self._checked_at = now
        self._hold(now)
        self.placed = self.placed or self._reservation.placed
        for pool in self._pools:
            lost = [replica for replica in pool.replicas if not replica.ready]
            for replica in lost:
                self._check_lost(replica, now)
            if len(lost) == len(pool.replicas):
                self._wait_for(pool, now)
            else:
                self._waits.pop(pool.spec.name, None)

    def load(self, replica: Replica) -> None:
        """Let an actor load its models. Calls are assigned afterwards: loading must not count against their time."""
        replica.load_at = None
        load = replica.actor.load.options(max_task_retries=0).remote(replica.spec.stages, self.options)
        load.future().add_done_callback(lambda done: self._post(partial(self._loaded, replica, done)))

    def _loaded(self, replica: Replica, loading: "Future[None]") -> None:
        error = loading.exception()
        if error is None:
            self._ready(replica)
            return
        died = isinstance(error, DIED) and not getattr(error, "actor_init_failed", False)
        cause = error.cause if isinstance(error, RayTaskError) else error
        if replica.failed_loads < MAX_FAILED_LOADS and (
            died or (isinstance(error, RayTaskError) and is_passing(cause))
        ):
            # An actor is unavailable while Ray restarts it, which is no failure of its own.
            replica.failed_loads += not isinstance(error, ActorUnavailableError)
            replica.load_at = time.monotonic() + RELOAD_DELAY_S
        elif isinstance(error, RayTaskError):
            self._failures.give_up(replica, ModelsNotLoaded(replica.spec.name, cause))
        else:
            reason = f"its processes do not start: {brief(error)}"
            self._failures.give_up(replica, PoolNotUp(replica.spec.name, reason))

    def _ready(self, replica: Replica) -> None:
        restarts = record_of(replica.actor).restarts
        died = replica.restarts is not None and restarts > replica.restarts
        self._failures.resolve_doubt(replica, died=died)
        replica.ready, replica.hung, replica.failed_loads, replica.restarts = True, False, 0, restarts

    def _hold(self, now: float) -> None:
        """Tell actors that may stay that the run has them: a process that died idle, and was restarted, knows no run.

        Nobody notices such a death, and the new process would end its whole set, as one that was forgotten.
        """
        if self.options.warm and now > self._held_at + HOLD_EVERY_S:
            self._held_at = now
            for replica in [replica for pool in self._pools for replica in pool.ready]:
                held = replica.actor.hold.remote(self.options.warm.job)
                held.future().add_done_callback(Future.exception)  # Ray would print one that nobody looks at

    def _check_lost(self, replica: Replica, now: float) -> None:
        restarts, before = record_of(replica.actor).restarts, replica.restarts or 0
        if replica.restarts is not None and (restarts > before or now > replica.lost_at + DOUBT_S):
            self._failures.resolve_doubt(replica, died=True)
        # One more than its loads: the first to die may have been at work.
        if restarts > before + MAX_FAILED_LOADS:
            self._failures.give_up(replica, ModelsNotLoaded(replica.spec.name, killed_by_ray(replica) or CRASHED))

    def _wait_for(self, pool: Pool, now: float) -> None:
        """Tell the user from time to time what a pool without a usable actor waits for; give it up after its limit."""
        lack = self._lack_of(pool)
        wait = self._waits.get(pool.spec.name)
        if wait is None or wait.lack != lack:
            wait = self._waits[pool.spec.name] = Wait(lack, now, now + NOTIFY_AFTER_S[lack])
        minutes = f"{(now - wait.since) / 60:.0f} min"
        if now > wait.since + LIMIT_S[lack]:
            self._failures.give_up(pool.replicas[0], PoolNotUp(pool.spec.name, self._failure(lack, minutes)))
        elif now > wait.notify_at:
            wait.notify_at = now + NOTIFY_EVERY_S
            # All pools wait for the same room.
            if lack != "room" or pool.spec.name == next(iter(self._waits)):
                self._notify(self._message(pool, lack, minutes))

    def _lack_of(self, pool: Pool) -> Lack:
        if not self.placed:
            return "room"
        return "models" if any(record_of(replica.actor).up for replica in pool.replicas) else "process"

    def _message(self, pool: Pool, lack: Lack, minutes: str) -> str:
        if lack == "room":
            actors = [replica.actor for each in self._pools for replica in each.replicas]
            return f"waiting for room in the Ray cluster ({minutes}): {self._reservation.shortage(actors)}"
        if lack == "process":
            return f"waiting for Ray to start the processes of the pool {pool.spec.name!r} ({minutes})"
        return f"the pool {pool.spec.name!r} is still loading its models, or downloading them ({minutes})"

    def _failure(self, lack: Lack, minutes: str) -> str:
        if lack == "process":
            return f"Ray has started none of its processes in {minutes}; {RAY_LOGS} may say why"
        return f"it has not loaded its models in {minutes}; fetch them beforehand with whisperx-batch-models"
