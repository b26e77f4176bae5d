"""Assigns calls to the actors of the pools as their slots come free."""

import contextvars
import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial

import ray
from prefect.states import State

from flows.pools.call import Call, UnfinishedCalls
from flows.pools.failure_policy import is_loss, survivors
from flows.pools.nodes.node_set import NodeSet
from flows.pools.nodes.node_sets import NodeSets
from flows.pools.nodes.planner import Planner
from flows.pools.nodes.router import Router
from flows.pools.outcome import Outcome
from flows.pools.pool import Pool
from flows.pools.replica import Replica
from flows.pools.worker import ActorOptions
from flows.services.failures import in_words
from flows.services.ray_cluster.node import Node
from flows.services.ray_cluster.nodes import watch_nodes
from flows.services.ray_cluster.watch import RayGone, watch_ray
from tasks.stage_table import STAGES

logger = logging.getLogger(__name__)

ENDED = "the run has ended"
WRITE_TIMEOUT_S = 5.0
"""How long writes are waited for after a cancellation; they take milliseconds, and it is better to know their end."""
TICK_S = 1.0
STUCK_S = 5.0
"""How long the event loop has to hear that Ray is gone: a call of Ray's head that it is in may never return."""


class Dispatcher:
    """Single-threaded event loop that assigns calls to actors. Other threads post events, so its state needs no locks.

    A call waits here, not at an actor, until a slot is free: so no actor idles while another has a queue, and calls
    of later stages overtake. On which machine it runs is the Router's to say, which machines there are the NodeSets'.
    An actor that hangs is killed. What happens to the calls of an actor that dies is decided by FailurePolicy.
    """

    def __init__(self, planner: Planner, options: ActorOptions, budget_bytes: int | None, *, may_grow: bool) -> None:
        """For the parameters see NodeSets."""
        self.sets = NodeSets(planner, options, budget_bytes, self._post, self._give_up, may_grow=may_grow)
        self._router = Router(self.sets.by_node)
        self._events: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._unfinished = UnfinishedCalls()
        self._stopped = threading.Event()
        self._audio_left: Callable[[], float] = float
        self._cancelled_at: float | None = None
        self.cancelled: str | None = None
        """Why all calls are cancelled, if they are."""
        self.running: Counter[str] = Counter(dict.fromkeys(STAGES, 0))
        """How many calls of each stage the actors run. It gets no new keys: other threads go through it."""
        self.broken: Future[BaseException] = Future()
        """Done, with the reason, once no call can be run any more: models that do not load, Ray that is gone."""

    def start(self, audio_left: Callable[[], float], notify: Callable[[str], object]) -> None:
        """Start the event loop for the current flow run; for the parameters see `Pools.start`."""
        self._audio_left = audio_left
        self.sets.notify = notify
        # In the context of the run, where Prefect finds its server: without, it would start one of its own.
        run = contextvars.copy_context().run
        loop = threading.Thread(target=run, args=(self._loop,), name="dispatcher", daemon=True)
        loop.start()
        watch_ray(self._stopped, self._lose)
        self._threads = [loop, watch_nodes(self._stopped, lambda nodes: self._post(partial(self._update, nodes)))]

    @property
    def started(self) -> bool:
        """Whether the event loop was started."""
        return bool(self._threads)

    def submit(self, call: Call) -> None:
        """Queue a call; cancel it if the event loop has ended."""
        self._unfinished.add(call)
        if self._stopped.is_set() or self.broken.done():
            call.cancel(self.cancelled or ENDED)
        else:
            self._post(partial(self._enqueue, call))

    def cancel(self, reason: str) -> None:
        """Cancel every call that waits or runs, now and from now on; the actors are not waited for."""
        self._post(partial(self._cancel, reason))

    def stop(self) -> None:
        """End the event loop, and cancel the calls that are left: somebody may wait for them."""
        self._stopped.set()
        self._post(lambda: None)
        for thread in self._threads:
            thread.join(timeout=5)
        self._unfinished.cancel(self.cancelled or ENDED)

    def _lose(self, gone: RayGone) -> None:
        """Let the event loop hear that Ray is gone; if it hangs in a call of Ray, do without it."""
        self._post(partial(self._break, gone))
        if not self._stopped.wait(STUCK_S) and not self.broken.done():
            self.cancelled = in_words(gone)
            self.broken.set_result(gone)
            self._unfinished.cancel(self.cancelled)

    @property
    def has_ray(self) -> bool:
        """Whether Ray still answers."""
        return not (self.broken.done() and isinstance(self.broken.result(), RayGone))

    def at_work(self) -> list[Call]:
        """Return the calls that the actors run."""
        return [call for pool in self._pools() for call in pool.running()]

    def _post(self, event: Callable[[], None]) -> None:
        self._events.put(event)

    def _pools(self) -> list[Pool]:
        return [pool for node_set in list(self.sets.by_node.values()) for pool in node_set.pools]

    # What follows runs in the dispatcher's thread.

    def _loop(self) -> None:
        while not self._stopped.is_set():
            try:
                self._run_events()
                self._look()
            except Exception as error:  # Ray is gone, most likely: those who wait for this thread must hear of it
                self._break(error)

    def _run_events(self) -> None:
        """Wait for an event, and run all that have come: the pools are looked at once for them, not once for each."""
        with suppress(queue.Empty):
            self._events.get(timeout=TICK_S)()
            while True:
                self._events.get_nowait()()

    def _look(self) -> None:
        now = time.monotonic()
        if not self.cancelled:
            self.sets.check(now)
            self._router.place()
        for node_set in list(self.sets.by_node.values()):
            node_set.check_actors(now)
            for pool in node_set.pools:
                for call, replica in pool.assignments():
                    self._assign(call, replica)
            if not self.cancelled:
                node_set.growth.check(now, self._audio_left)
        if self._cancelled_at and now > self._cancelled_at + WRITE_TIMEOUT_S:
            for call in self.at_work():
                call.cancel(str(self.cancelled))

    def _update(self, nodes: list[Node]) -> None:
        for call in survivors(self.sets.update(nodes)) if not self.cancelled else ():
            self._router.route(call)

    def _give_up(self, node_set: NodeSet, replica: Replica, error: Exception) -> None:
        """Drop a surplus actor that cannot be used; for any other its machine or, if there is no other, the run."""
        if self.cancelled or self.sets.by_node.get(node_set.node.id) is not node_set:
            return
        if replica.surplus:
            node_set.failures.resolve_doubt(replica, died=True)
            node_set.pool_of[replica.spec.stages[0]].drop(replica, str(error))
        elif len(self.sets.by_node) > 1:
            logger.warning("the machine %s is not used any more: %s", node_set.node, error)
            for call in self.sets.drop(node_set, str(error)):
                self._router.route(call)
        else:
            self._break(error)

    def _enqueue(self, call: Call) -> None:
        if self.cancelled:
            call.cancel(self.cancelled)
        else:
            self._router.route(call)

    def _assign(self, call: Call, replica: Replica) -> None:
        if call.invoke is None:  # it was cancelled, and its file is finished
            return
        inputs = self._router.inputs_of(call)
        if inputs is None:
            self._router.route(call)
            return
        replica.assign(call)
        call.attempts += 1
        self.running[call.stage] += 1
        value, outcome = call.invoke(replica.actor, inputs)
        ended = partial(self._finished, call, call.attempts, replica, value)
        outcome.future().add_done_callback(lambda done: self._post(partial(ended, done)))

    def _finished(
        self,
        call: Call,
        attempt: int,
        replica: Replica,
        value: "ray.ObjectRef[State[object]]",
        result: "Future[Outcome]",
    ) -> None:
        self.running[call.stage] -= 1
        node_set = self.sets.by_node.get(call.node)
        if attempt != call.attempts or node_set is None:
            return  # its machine was given up, and it runs elsewhere
        replica.calls.discard(call)
        error = result.exception()
        if error is None and not (outcome := result.result()).poisoned:
            node_set.pool_of[call.stage].record_finished(call)
            call.finish(outcome, value)
        elif self.cancelled:
            call.cancel(self.cancelled, has_run=True)
        elif error is None:
            node_set.failures.poisoned(call, replica, outcome)
        elif not (is_loss(error) and self._router.reroute_lost(call)):
            node_set.failures.failed(call, replica, error)

    def _break(self, error: BaseException) -> None:
        self._cancel(in_words(error))
        self._unfinished.cancel(in_words(error))
        if not self.broken.done():
            self.broken.set_result(error)

    def _cancel(self, reason: str) -> None:
        self.cancelled, self._cancelled_at = reason, self._cancelled_at or time.monotonic()
        for call in self._router.withdraw():
            call.cancel(reason, has_run=call.node_deaths > 0)
        for pool in self._pools():
            pool.cancel_waiting(reason)
        for call in self.at_work():
            if call.stage != "write":  # it has WRITE_TIMEOUT_S
                call.cancel(reason)
