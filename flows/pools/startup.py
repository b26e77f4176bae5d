"""How the actors of the pools come up: what each pool waits for, what is said of it, and when it takes too long."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from ray.exceptions import ActorUnavailableError, OutOfMemoryError, RayActorError, RayTaskError, WorkerCrashedError

from flows.pools.pool import Pool
from flows.pools.replica import RELOAD_S, Member, ModelsNotLoaded, PoolNotUp
from flows.pools.room import Room
from flows.pools.worker import Models
from flows.reporting.ending import brief
from flows.services.ray_records import memory_at_death, record_of
from tasks.faults import is_passing

logger = logging.getLogger(__name__)

DIED = (RayActorError, WorkerCrashedError, OutOfMemoryError)
LOADS = 3
"""How often an actor may fail to load its models, for reasons that may pass, before the run ends."""
CRASHED = f"its process died more than {LOADS} times; /tmp/ray/session_latest/logs may say why"
LOOK_EVERY_S = 2.0
DOUBT_S = 120.0
"""How long an actor may be unreachable before what it ran is run elsewhere."""
SAY_EVERY_S = 300.0

Lack = Literal["room", "machine", "process", "models"]
SAY_AFTER_S: dict[Lack, float] = {"room": 5.0, "machine": 5.0, "process": 120.0, "models": 120.0}
LIMIT_S: dict[Lack, float] = {"room": float("inf"), "machine": 3600.0, "process": 900.0, "models": 3600.0}
"""How long a pool may be without any actor that can be used: for other programs to give room back a run waits for ever;
a machine that is gone may come back; models may have to be downloaded."""


@dataclass
class Wait:
    """What a pool waits for, since when, and when that is to be said."""

    lack: Lack
    since: float
    say_at: float


class Startup:
    """Watches the pools until their actors can be used, from the start and after an actor has died.

    For the dispatcher's thread alone, but for the first loads; `then` has a function called in that thread. `settle` is
    called, with whether its process has died, for an actor that was unreachable; `fail` with the error, for one that
    cannot come up.
    """

    def __init__(
        self,
        batch: Models,
        room: Room,
        then: Callable[[Callable[[], None]], None],
        settle: Callable[[Member, bool], None],
        fail: Callable[[Member, Exception], None],
    ) -> None:
        self.batch = batch
        self._room = room
        self._then = then
        self._settle = settle
        self._fail = fail
        self.say: Callable[[str], object] = logger.warning
        """Shows the user what the run waits for."""
        self.waited_s = 0.0
        """How long the run has waited for room in the cluster."""
        self._waits: dict[str, Wait] = {}
        self._looked_at = time.monotonic()

    def look(self, pools: list[Pool], now: float) -> None:
        """Look at the actors that cannot be used, every few seconds."""
        elapsed = now - self._looked_at
        if elapsed < LOOK_EVERY_S:
            return
        self._looked_at = now
        for pool in pools:
            lost = [member for member in pool.members if not member.ready]
            for member in lost:
                self._look_at(member, now)
            if len(lost) == len(pool.members):
                self._wait_for(pool, now, [member.actor for each in pools for member in each.members])
            else:
                self._waits.pop(pool.spec.name, None)
        if any(wait.lack in ("room", "machine") for wait in self._waits.values()):
            self.waited_s += elapsed

    def load(self, member: Member) -> None:
        """Let an actor load its models; it is given no work before, which would count against that work's time."""
        member.load_at = None
        load = member.actor.load.options(max_task_retries=0).remote(member.spec.stages, self.batch)
        load.future().add_done_callback(lambda done: self._then(partial(self._loaded, member, done)))

    def _loaded(self, member: Member, loading: "Future[None]") -> None:
        error = loading.exception()
        if error is None:
            self._ready(member)
            return
        died = isinstance(error, DIED) and not getattr(error, "actor_init_failed", False)
        cause = error.cause if isinstance(error, RayTaskError) else error
        if member.loads < LOADS and (died or (isinstance(error, RayTaskError) and is_passing(cause))):
            # While Ray starts it again, it is unavailable; that is no failure of its own.
            member.loads += not isinstance(error, ActorUnavailableError)
            member.load_at = time.monotonic() + RELOAD_S
        elif isinstance(error, RayTaskError):
            self._fail(member, ModelsNotLoaded(member.spec, cause))
        else:
            self._fail(member, PoolNotUp(member.spec, f"its processes do not start: {brief(error)}"))

    def _ready(self, member: Member) -> None:
        restarts = record_of(member.actor).restarts
        self._settle(member, member.restarts is not None and restarts > member.restarts)
        member.ready, member.hung, member.loads, member.restarts = True, False, 0, restarts

    def _look_at(self, member: Member, now: float) -> None:
        restarts, before = record_of(member.actor).restarts, member.restarts or 0
        if member.restarts is not None and (restarts > before or now > member.lost_at + DOUBT_S):
            self._settle(member, True)
        # One more than its loads: the first to die may have been at work.
        if restarts > before + LOADS:
            self._fail(member, ModelsNotLoaded(member.spec, self.killed(member) or CRASHED))

    @staticmethod
    def killed(member: Member) -> str | None:
        """Return what to say of a member whose last process Ray has ended to free memory; None if it has not."""
        memory = memory_at_death(member.actor)
        return memory and (
            f"Ray ended its process because memory ran out ({memory} in use); give it more memory, or fewer or smaller "
            f"actors and threads, a smaller --model or a smaller --batch_size"
        )

    def _wait_for(self, pool: Pool, now: float, actors: list[Any]) -> None:
        """Say what a pool waits for, now and then; fail if it has waited too long."""
        lack = self._lack_of(pool)
        wait = self._waits.get(pool.spec.name)
        if wait is None or wait.lack != lack:
            wait = self._waits[pool.spec.name] = Wait(lack, now, now + SAY_AFTER_S[lack])
        minutes = f"{(now - wait.since) / 60:.0f} min"
        if now > wait.since + LIMIT_S[lack]:
            self._fail(pool.members[0], PoolNotUp(pool.spec, self._failure(lack, minutes)))
        elif now > wait.say_at:
            wait.say_at = now + SAY_EVERY_S
            # All pools wait for the same room.
            if lack not in ("room", "machine") or pool.spec.name == next(iter(self._waits)):
                self.say(self._message(pool, lack, minutes, actors))

    def _lack_of(self, pool: Pool) -> Lack:
        if not self._room.is_there():
            return "machine" if self._room.impossible() else "room"
        return "models" if any(record_of(member.actor).up for member in pool.members) else "process"

    def _message(self, pool: Pool, lack: Lack, minutes: str, actors: list[Any]) -> str:
        if lack == "room":
            return f"waiting for room in the Ray cluster ({minutes}): {self._room.sought(actors)}"
        if lack == "machine":
            return f"waiting for a machine of the cluster that is gone ({minutes}): {self._room.impossible()}"
        if lack == "process":
            return f"waiting for Ray to start the processes of the pool {pool.spec.name!r} ({minutes})"
        return f"the pool {pool.spec.name!r} is still loading its models, or downloading them ({minutes})"

    def _failure(self, lack: Lack, minutes: str) -> str:
        if lack == "machine":
            return f"a machine of the cluster is gone, and has not come back in {minutes}: {self._room.impossible()}"
        if lack == "process":
            return f"Ray has started none of its processes in {minutes}; /tmp/ray/session_latest/logs may say why"
        return f"it has not loaded its models in {minutes}; fetch them beforehand with whisperx-batch-models"
