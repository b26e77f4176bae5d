"""All pools of a run: warm actors that are started first and live until its end."""

import logging
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

import ray
from prefect.states import Cancelled
from ray.exceptions import RayError

from flows.host.usage import Usage
from flows.pools.call import Call, timeout_for
from flows.pools.dispatcher import Dispatcher
from flows.pools.nodes.planner import Planner
from flows.pools.placement import CannotBePlaced
from flows.pools.replica import Replica
from flows.pools.warm.kept_set import KeptSet
from flows.pools.worker import ActorFacts, ActorOptions
from flows.services.ray_cluster.nodes import alive_nodes

logger = logging.getLogger(__name__)

A = TypeVar("A")


class Pools:
    """The pools of a run on all machines of the cluster, and the dispatcher that sends calls to them."""

    def __init__(
        self,
        planner: Planner,
        options: ActorOptions,
        stage_timeout: float | None = None,
        audio_budget_bytes: int | None = None,
        *,
        waits_for_machines: bool = False,
    ) -> None:
        """Start the actors on the machines that are there. Raises CannotBePlaced if they fit on none.

        `audio_budget_bytes` limits the decoded audio on each machine (default: a third of its object store). If
        `waits_for_machines`, a cluster without a machine of the kind that is wanted counts as one that may get some. It
        is asked for as many as the files can use.
        """
        self.planner = planner
        self._stage_timeout = stage_timeout
        self._closed = False
        self._dispatcher = Dispatcher(planner, options, audio_budget_bytes, may_grow=waits_for_machines)
        self._sets = self._dispatcher.sets
        nodes = alive_nodes()
        self._sets.update(nodes)
        if not self._sets.by_node:
            offered = any({"CPU": node.cpus, "GPU": node.gpus}[name] for node in nodes for name in planner.wanted)
            if offered or not waits_for_machines:
                raise CannotBePlaced(next(iter(self._sets.refused.values()), "the cluster has no machine"))
            self._sets.ask_for_machines(time.monotonic())

    @property
    def stages(self) -> frozenset[str]:
        """The stages whose models are loaded."""
        return self.planner.stages

    def described(self) -> list[str]:
        """Return a line on each pool of each machine, for the run's log."""
        sets = list(self._sets.by_node.values())
        lines = [f"{f'{each.node}: ' if len(sets) > 1 else ''}{spec}" for each in sets for spec in each.specs]
        return lines + [f"goes on with {', '.join(kept.labels)}, warm from an earlier run" for kept in self.taken_over]

    @property
    def taken_over(self) -> list[KeptSet]:
        """What earlier runs have kept and this one goes on with."""
        return self._sets.taken_over

    @property
    def kept(self) -> list[KeptSet]:
        """What stays after this run, once it is closed."""
        return self._sets.kept

    @property
    def _replicas(self) -> list[Replica]:
        """The actors, without surplus ones that have not come up."""
        sets = list(self._sets.by_node.values())
        return [replica for each in sets for replica in each.replicas if replica.counts]

    @property
    def max_in_flight(self) -> int:
        """How many files in flight keep every actor busy: for each that it works on, one that is ready for it."""
        return sum(each.window for each in list(self._sets.by_node.values()))

    @property
    def audio_budget_bytes(self) -> int:
        """How much decoded audio all machines together may hold."""
        return sum(each.audio.budget_bytes for each in list(self._sets.by_node.values()))

    @property
    def largest_audio_bytes(self) -> int:
        """How much decoded audio of one file fits on a machine; without one, it is not known yet."""
        return max((each.audio.largest_bytes for each in list(self._sets.by_node.values())), default=sys.maxsize)

    @property
    def running(self) -> Counter[str]:
        """How many calls of each stage the actors run."""
        return self._dispatcher.running

    @property
    def broken(self) -> "Future[BaseException]":
        """Done, with the reason, once no call can be run any more: models that do not load, Ray that is gone."""
        return self._dispatcher.broken

    def wait_placed(self, timeout: float) -> bool:
        """Return whether a machine of the cluster has room for the pools, after at most `timeout` seconds."""
        until = time.monotonic() + timeout
        while not (placed := any(each.is_placed for each in list(self._sets.by_node.values()))):
            if time.monotonic() > until:
                break
            time.sleep(0.1)
        return placed

    @property
    def waited_s(self) -> float:
        """How long the pools have waited for room in the cluster."""
        return self._sets.waited_s

    def start(self, audio_left: Callable[[], float], notify: Callable[[str], object] = logger.warning) -> None:
        """Start to run calls, for the current flow run; until then they wait, while the models load.

        `audio_left` returns the seconds of audio that are not done yet: no pool grows for a few. `notify` tells the
        user what the pools wait for.
        """
        self._dispatcher.start(audio_left, notify)

    def submit(self, call: Call) -> Call:
        """Queue a call, with the time limit of its stage; return it."""
        call.timeout_s = timeout_for(call.audio_s, self._stage_timeout)
        self._dispatcher.submit(call)
        return call

    def cancel(self, reason: str) -> None:
        """Cancel every call that waits or runs, now and from now on; the actors are not waited for."""
        self._dispatcher.cancel(reason)

    def facts(self, timeout: float = 10) -> list[ActorFacts]:
        """Return the facts of every actor that answers in time."""
        return _answers([replica.actor.facts.remote() for replica in self._replicas], timeout)

    def usage(self, timeout: float = 2) -> list[Usage]:
        """Return how busy each machine is of which an actor answers in time."""
        ready = ([replica for replica in each.replicas if replica.ready] for each in list(self._sets.by_node.values()))
        return _answers([replicas[0].actor.usage.remote() for replicas in ready if replicas], timeout)

    def close(self) -> list[ActorFacts]:
        """Let the actors send their states and logs to Prefect, end or keep them, and return their last facts.

        They are kept, if the run is to, after one that went through. The second time it does nothing.
        """
        if self._closed:
            return []
        self._closed = True
        facts = []
        try:
            if self._dispatcher.started:
                facts = self.facts(timeout=2 if self._dispatcher.cancelled else 10)
        finally:
            self._dispatcher.stop()
            unfinished = self._dispatcher.at_work()
            if self._dispatcher.has_ray:
                self._sets.close(keep=self._dispatcher.started and not self._dispatcher.cancelled)
        for call in unfinished:
            call.report_state(Cancelled(message=self._dispatcher.cancelled))
        return facts


def _answers(asked: list["ray.ObjectRef[A]"], timeout: float) -> list[A]:
    """Return those of these results of actors that come in time."""
    ready, _ = ray.wait(asked, num_returns=len(asked), timeout=timeout) if asked else ([], [])
    answers: list[A] = []
    for answer in ready:
        try:
            answers.append(ray.get(answer))
        except RayError as error:
            logger.warning("an actor did not answer: %s", error)
    return answers
