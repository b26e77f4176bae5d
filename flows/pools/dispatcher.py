"""Gives calls to the actors of the pools as their slots come free, and decides what becomes of those that go wrong."""

import contextvars
import itertools
import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

import ray
from prefect.states import Cancelled, Crashed, State
from ray.exceptions import (
    ActorUnavailableError,
    RayActorError,
    RayError,
    RayTaskError,
)

from flows.pools.call import Call
from flows.pools.pool import Pool
from flows.pools.replica import Member, PoolNotUp
from flows.pools.room import Room
from flows.pools.startup import DIED, Startup
from flows.pools.task_runner import Outcome, named
from flows.pools.worker import Models
from flows.reporting.ending import brief, in_words
from flows.services.ray_watch import RayGone, watch_ray

logger = logging.getLogger(__name__)

DEATHS = 2
"""How many actors a call may take with it, of those that ran nothing else: of others it may not be the cause."""
WORKER_DIED = f"worker died ({DEATHS} times)"
WRITING_S = 5.0
TICK_S = 1.0


class Dispatcher:
    """One thread that does all the giving out, so that its state needs no locks; what others want of it are events.

    A call waits here, not at an actor, until a slot is free: so no actor idles while another has a queue, and calls
    of later stages overtake. When an actor dies, Ray starts it again, and the calls that it had are run again, each
    alone: one that kills its actor again is the cause, and fails; the others come through. An actor that hangs is
    killed.
    """

    def __init__(self, pools: list[Pool], batch: Models, room: Room) -> None:
        self._pools = pools
        self.startup = Startup(batch, room, self._then, self._settle, self._not_up)
        self._events: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._order = itertools.count()
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()
        self._audio_left: Callable[[], float] = float
        self._cancelled_at: float | None = None
        self.cancelled: str | None = None
        """Why all calls are to end, if they are."""
        self.running: Counter[str] = Counter()
        """How many calls of each stage the actors have."""
        self.broken: Future[BaseException] = Future()
        """Ends, with the reason, if no more work can be given out: models that do not load, Ray that is gone."""
        for member in self.members:
            self.startup.load(member)

    @property
    def members(self) -> list[Member]:
        """The actors of all pools."""
        return [member for pool in self._pools for member in pool.members]

    def start(self, audio_left: Callable[[], float], say: Callable[[str], object]) -> None:
        """Begin, for the current flow run; `audio_left` and `say` as `Pools.give_out` has them."""
        self._audio_left = audio_left
        self.startup.say = say
        # In the context of the run, where Prefect finds its server: without, it would start one of its own.
        run = contextvars.copy_context().run
        self._thread = threading.Thread(target=run, args=(self._give_out,), name="dispatcher", daemon=True)
        self._thread.start()
        watch_ray(self._ended, lambda gone: self._then(partial(self._break, gone)))

    @property
    def started(self) -> bool:
        """Whether it has begun."""
        return self._thread is not None

    def put(self, call: Call) -> None:
        """Let a call wait for its turn."""
        self._events.put(partial(self._enqueue, call))

    def cancel(self, reason: str) -> None:
        """End every call that waits or runs, now and from now on, as Cancelled; the actors are not waited for."""
        self._events.put(partial(self._cancel, reason))

    def end(self) -> None:
        """Give out nothing more."""
        self._ended.set()
        self._events.put(None)
        if self._thread:
            self._thread.join(timeout=5)

    @property
    def has_ray(self) -> bool:
        """Whether Ray can still be asked for anything."""
        return not (self.broken.done() and isinstance(self.broken.result(), RayGone))

    def unfinished(self) -> list[Call]:
        """Return the calls that the actors have."""
        return [call for pool in self._pools for call in pool.running()]

    # What follows runs in its own thread, but for the first loads.

    def _give_out(self) -> None:
        while True:
            try:
                event = self._events.get(timeout=TICK_S)
            except queue.Empty:
                event = _nothing
            if event is None:
                return
            try:
                event()
                if not self.cancelled:
                    self.startup.look(self._pools, time.monotonic())
                for pool in self._pools:
                    self._look_after(pool)
                    for call, member in pool.due():
                        self._invoke(call, member)
                    self._let_grow(pool)
            except Exception as error:  # Ray is gone, most likely: those who wait for this thread must hear of it
                self._break(error)

    def _then(self, event: Callable[[], None]) -> None:
        self._events.put(event)

    def _look_after(self, pool: Pool) -> None:
        """Kill the actors that hang; let those that Ray has started again load their models."""
        now = time.monotonic()
        for member in pool.members:
            if member.load_at and now > member.load_at:
                self.startup.load(member)
            if not member.hung and member.hangs():
                member.hung = True
                ray.kill(member.actor, no_restart=False)
        for member in [member for member in pool.members if member.is_missed(now)]:
            pool.drop(member, "it has not come up")
        if self._cancelled_at and now > self._cancelled_at + WRITING_S:
            for call in pool.running():
                call.finish(_cancelled(str(self.cancelled)))

    def _let_grow(self, pool: Pool) -> None:
        if member := pool.wants_more(time.monotonic(), self._audio_left):
            asked = member.actor.gpu_memory_free.remote().future()
            asked.add_done_callback(lambda free: self._events.put(partial(self._grow, pool, free)))

    def _grow(self, pool: Pool, memory_free: "Future[float]") -> None:
        if self.cancelled:
            return
        try:
            member = pool.grow(self.startup.batch, memory_free.result())
        except RayError as error:  # what a pool can do without ends no run
            logger.warning("the pool %s cannot grow: %s", pool.spec.name, error)
            pool.settle()
        else:
            if member:
                self.startup.load(member)

    def _not_up(self, member: Member, error: Exception) -> None:
        """Do without an actor that its pool can do without; otherwise end the run."""
        if self.cancelled:
            return
        if member.extra:
            self._settle(member, True)
            self._pool_of(member.spec.stages[0]).drop(member, str(error))
        else:
            self._break(error)

    def _pool_of(self, stage: str) -> Pool:
        return next(pool for pool in self._pools if stage in pool.spec.stages)

    def _enqueue(self, call: Call) -> None:
        if self.cancelled:
            call.finish(_cancelled(self.cancelled))
            return
        self._pool_of(call.stage).put(call, next(self._order))

    def _invoke(self, call: Call, member: Member) -> None:
        member.take(call)
        self.running[call.stage] += 1
        life = member.life
        value, outcome = call.invoke(member.actor)  # type: ignore[misc]
        outcome.future().add_done_callback(
            lambda outcome: self._events.put(partial(self._finished, call, member, life, value, outcome))
        )

    def _finished(
        self,
        call: Call,
        member: Member,
        life: int,
        value: "ray.ObjectRef[State[Any]]",
        ending: "Future[Outcome]",
    ) -> None:
        member.calls.discard(call)
        self.running[call.stage] -= 1
        error = ending.exception()
        if error is None and not (outcome := ending.result()).poisoned:
            self._pool_of(call.stage).passed(call)
            call.finish(outcome, value)
        elif self.cancelled:
            call.finish(_cancelled(self.cancelled))
            _tell(call, Cancelled(message=self.cancelled))
        elif error is None:
            if member.life == life:
                ray.kill(member.actor, no_restart=False)
            self._died(call, member, life, str(outcome.error))
        elif isinstance(error, RayActorError) and error.actor_init_failed:
            self._died(call, member, life, f"{WORKER_DIED}, and could not be started again")
            self._not_up(member, PoolNotUp(member.spec, f"its processes do not start: {brief(error)}"))
        elif isinstance(error, ActorUnavailableError) and self._is_in_doubt(member, life):
            member.doubted.append(call)
            member.lose(time.monotonic())
        elif isinstance(error, DIED):
            slow = f"worker timed out: the stage took more than {call.limit_s:.0f} s ({DEATHS} times)"
            self._died(call, member, life, slow if member.hung else WORKER_DIED)
        else:
            _fail(call, named(error.cause if isinstance(error, RayTaskError) else error))

    def _is_in_doubt(self, member: Member, life: int) -> bool:
        """Tell whether an actor that is unavailable may be alive: we have not killed it, nor heard of its death."""
        return member.life == life and not member.hung and member in self.members

    def _died(self, call: Call, member: Member, life: int, reason: str) -> None:
        if member.life == life:  # the first of its calls to be heard of
            call.deaths += not member.calls
            member.life += 1
            member.lose(time.monotonic())
        self._suspect(call, member, reason)

    def _settle(self, member: Member, died: bool) -> None:  # noqa: FBT001
        """Decide on the calls whose results are lost: the actor's process has died, or was only unreachable.

        A process that was unreachable may still be running them. That is harmless, for what they write is the same.
        """
        doubted, member.doubted = member.doubted, []
        if doubted and died:
            member.life += 1
            alone = len(doubted) == 1 and not member.calls
            for call in doubted:
                call.deaths += alone
                self._suspect(call, member, WORKER_DIED)
        for call in doubted if not died else ():
            logger.warning("a process of the pool %s was unreachable; what it ran is run again", member.spec.name)
            self._enqueue(call)

    def _suspect(self, call: Call, member: Member, reason: str) -> None:
        """Run a call again, alone, whose process has died; fail it if it has taken too many with it."""
        call.suspect = True
        if call.deaths < DEATHS:
            logger.warning("a process of the pool %s died; what it ran is run again, alone", member.spec.name)
            self._pool_of(call.stage).suspects.append(call)
        else:
            killed = self.startup.killed(member)
            # A stage that takes too long may wait for a share, and a GPU that fails may be at fault itself.
            lasting = reason == WORKER_DIED and not killed
            _fail(call, f"{reason}: {killed}" if killed else reason, lasting=lasting)

    def _break(self, error: BaseException) -> None:
        self._cancel(in_words(error))
        for call in self.unfinished():
            call.finish(_cancelled(in_words(error)))
        if not self.broken.done():
            self.broken.set_result(error)

    def _cancel(self, reason: str) -> None:
        self.cancelled, self._cancelled_at = reason, self._cancelled_at or time.monotonic()
        for waiting, suspects in [pool.clear() for pool in self._pools]:
            for call in waiting + suspects:
                call.finish(_cancelled(reason))
            for call in suspects:  # the API has seen them run
                _tell(call, Cancelled(message=reason))
        # A write takes milliseconds, and is better known to have happened: it has WRITING_S.
        for call in [call for call in self.unfinished() if call.stage != "write"]:
            call.finish(_cancelled(reason))


def _fail(call: Call, reason: str, *, lasting: bool = False) -> None:
    state: State[Any] = Crashed(message=reason)
    # First of all, so that nobody waits for ever, whatever becomes of the rest.
    call.finish(Outcome(state, error=reason, lasting=lasting))
    _tell(call, state)


def _tell(call: Call, state: State[Any]) -> None:
    try:
        call.tell(state)
    except Exception:  # that Prefect shows a task run as running is no reason to end a run, or this thread
        logger.exception("the end of a task run could not be recorded")


def _nothing() -> None:
    pass


def _cancelled(reason: str) -> Outcome:
    return Outcome(Cancelled(message=reason), error=reason)
