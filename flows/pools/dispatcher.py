"""Assigns calls to the actors of the pools as their slots come free."""

import contextvars
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
from prefect.states import State
from ray.exceptions import RayError

from flows.pools.call import Call
from flows.pools.failure_policy import FailurePolicy
from flows.pools.outcome import Outcome
from flows.pools.pool import Pool
from flows.pools.replica import Replica
from flows.pools.startup import Startup
from flows.pools.worker import ActorOptions
from flows.services.failures import in_words
from flows.services.ray_watch import RayGone, watch_ray
from flows.services.reservation import Reservation

logger = logging.getLogger(__name__)

WRITE_TIMEOUT_S = 5.0
"""How long writes are waited for after a cancellation; they take milliseconds, and it is better to know their end."""
TICK_S = 1.0


class Dispatcher:
    """Single-threaded event loop that assigns calls to actors. Other threads post events, so its state needs no locks.

    A call waits here, not at an actor, until a slot is free: so no actor idles while another has a queue, and calls
    of later stages overtake. An actor that hangs is killed. What happens to the calls of an actor that dies is decided
    by FailurePolicy.
    """

    def __init__(self, pools: list[Pool], options: ActorOptions, reservation: Reservation) -> None:
        self._pools = pools
        self._pool_of = {stage: pool for pool in pools for stage in pool.spec.stages}
        self._failures = FailurePolicy(self._pool_of, self._give_up)
        self.startup = Startup(pools, options, reservation, self._post, self._failures)
        self._events: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()
        self._audio_left: Callable[[], float] = float
        self._cancelled_at: float | None = None
        self.cancelled: str | None = None
        """Why all calls are cancelled, if they are."""
        self.running: Counter[str] = Counter()
        """How many calls of each stage the actors run."""
        self.broken: Future[BaseException] = Future()
        """Done, with the reason, once no call can be run any more: models that do not load, Ray that is gone."""
        for replica in self.replicas:
            self.startup.load(replica)

    @property
    def replicas(self) -> list[Replica]:
        """The actors of all pools."""
        return [replica for pool in self._pools for replica in pool.replicas]

    def start(self, audio_left: Callable[[], float], notify: Callable[[str], object]) -> None:
        """Start the event loop for the current flow run; for the parameters see `Pools.start`."""
        self._audio_left = audio_left
        self.startup.notify = notify
        # In the context of the run, where Prefect finds its server: without, it would start one of its own.
        run = contextvars.copy_context().run
        self._thread = threading.Thread(target=run, args=(self._loop,), name="dispatcher", daemon=True)
        self._thread.start()
        watch_ray(self._stopped, lambda gone: self._post(partial(self._break, gone)))

    @property
    def started(self) -> bool:
        """Whether the event loop was started."""
        return self._thread is not None

    def submit(self, call: Call) -> None:
        """Queue a call."""
        self._post(partial(self._enqueue, call))

    def cancel(self, reason: str) -> None:
        """Cancel every call that waits or runs, now and from now on; the actors are not waited for."""
        self._post(partial(self._cancel, reason))

    def stop(self) -> None:
        """End the event loop."""
        self._stopped.set()
        self._events.put(None)
        if self._thread:
            self._thread.join(timeout=5)

    @property
    def has_ray(self) -> bool:
        """Whether Ray still answers."""
        return not (self.broken.done() and isinstance(self.broken.result(), RayGone))

    def unfinished(self) -> list[Call]:
        """Return the calls that the actors run."""
        return [call for pool in self._pools for call in pool.running()]

    def _post(self, event: Callable[[], None]) -> None:
        self._events.put(event)

    # What follows runs in the dispatcher's thread.

    def _loop(self) -> None:
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
                    self.startup.check(time.monotonic())
                for pool in self._pools:
                    self._check(pool)
                    for call, replica in pool.assignments():
                        self._assign(call, replica)
                    self._ask_to_grow(pool)
            except Exception as error:  # Ray is gone, most likely: those who wait for this thread must hear of it
                self._break(error)

    def _check(self, pool: Pool) -> None:
        """Kill actors that hang, let those that Ray has restarted load their models, drop those that are overdue."""
        now = time.monotonic()
        for replica in pool.replicas:
            if replica.load_at and now > replica.load_at:
                self.startup.load(replica)
            if not replica.hung and replica.hangs():
                replica.hung = True
                ray.kill(replica.actor, no_restart=False)
        for replica in [replica for replica in pool.replicas if replica.is_overdue(now)]:
            pool.drop(replica, "it has not come up")
        if self._cancelled_at and now > self._cancelled_at + WRITE_TIMEOUT_S:
            for call in pool.running():
                call.cancel(str(self.cancelled))

    def _ask_to_grow(self, pool: Pool) -> None:
        if replica := pool.replica_to_copy(time.monotonic(), self._audio_left):
            asked = replica.actor.gpu_memory_free.remote().future()
            asked.add_done_callback(lambda free: self._post(partial(self._grow, pool, free)))

    def _grow(self, pool: Pool, memory_free: "Future[float]") -> None:
        if self.cancelled:
            return
        try:
            replica = pool.grow(self.startup.options, memory_free.result())
        except RayError as error:  # a pool works without a surplus actor
            logger.warning("the pool %s cannot grow: %s", pool.spec.name, error)
            pool.stop_growing()
        else:
            if replica:
                self.startup.load(replica)

    def _give_up(self, replica: Replica, error: Exception) -> None:
        """Drop a surplus actor that cannot be used; for any other, end the run."""
        if self.cancelled:
            return
        if replica.surplus:
            self._failures.resolve_doubt(replica, died=True)
            self._pool_of[replica.spec.stages[0]].drop(replica, str(error))
        else:
            self._break(error)

    def _enqueue(self, call: Call) -> None:
        if self.cancelled:
            call.cancel(self.cancelled)
        else:
            self._pool_of[call.stage].enqueue(call)

    def _assign(self, call: Call, replica: Replica) -> None:
        replica.assign(call)
        self.running[call.stage] += 1
        value, outcome = call.invoke(replica.actor)  # type: ignore[misc]
        outcome.future().add_done_callback(lambda done: self._post(partial(self._finished, call, replica, value, done)))

    def _finished(
        self, call: Call, replica: Replica, value: "ray.ObjectRef[State[Any]]", result: "Future[Outcome]"
    ) -> None:
        replica.calls.discard(call)
        self.running[call.stage] -= 1
        error = result.exception()
        if error is None and not (outcome := result.result()).poisoned:
            self._pool_of[call.stage].record_finished(call)
            call.finish(outcome, value)
        elif self.cancelled:
            call.cancel(self.cancelled, has_run=True)
        elif error is None:
            self._failures.poisoned(call, replica, outcome)
        else:
            self._failures.failed(call, replica, error)

    def _break(self, error: BaseException) -> None:
        self._cancel(in_words(error))
        for call in self.unfinished():
            call.cancel(in_words(error))
        if not self.broken.done():
            self.broken.set_result(error)

    def _cancel(self, reason: str) -> None:
        self.cancelled, self._cancelled_at = reason, self._cancelled_at or time.monotonic()
        for pool in self._pools:
            pool.cancel_waiting(reason)
        for call in self.unfinished():
            if call.stage != "write":  # it has WRITE_TIMEOUT_S
                call.cancel(reason)


def _nothing() -> None:
    pass
