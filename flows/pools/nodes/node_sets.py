"""The sets of actors of a run: started where machines join, given up where they leave."""

import logging
from collections import Counter
from collections.abc import Callable

from flows.pools.call import Call
from flows.pools.nodes.machine_requests import MachineRequests
from flows.pools.nodes.node_set import NodeSet
from flows.pools.nodes.planner import Planner
from flows.pools.nodes.standby import start_next
from flows.pools.placement import CannotBePlaced
from flows.pools.replica import Replica
from flows.pools.startup import NOTIFY_EVERY_S
from flows.pools.warm.kept_set import KeptSet
from flows.pools.warm.takeover import Takeover
from flows.pools.worker import ActorOptions
from flows.services.failures import RunBroken
from flows.services.ray_cluster.node import Node
from flows.services.ray_cluster.nodes import sees_server
from flows.services.ray_cluster.records import in_words

logger = logging.getLogger(__name__)

NOTIFY_AFTER_S = 5.0
LIMIT_S = 3600.0
"""How long a run that has had machines goes on without any: others may join, or the same may come back."""


class NodesGone(RunBroken):
    """All machines that ran the pools have gone, and no other has joined."""


class NodeSets:
    """The sets of actors by the identifiers of their machines, and what the run does while there is none.

    Only for the dispatcher's thread, apart from the first `update`.
    """

    def __init__(
        self,
        planner: Planner,
        options: ActorOptions,
        budget_bytes: int | None,
        post: Callable[[Callable[[], None]], None],
        give_up: Callable[[NodeSet, Replica, Exception], None],
        *,
        may_grow: bool,
    ) -> None:
        """If the cluster `may_grow`, it is asked for more machines than it has."""
        self.planner = planner
        self._options = options
        self._budget_bytes = budget_bytes
        self._post = post
        self._give_up = give_up
        self.by_node: dict[str, NodeSet] = {}
        self.refused: dict[str, str] = {}
        """Why a machine has no set, by its identifier."""
        self.notify: Callable[[str], object] = logger.warning
        """Tells the user what the run waits for."""
        self.waited_s = 0.0
        """How long the run has waited for room in the cluster."""
        self._had_any = False
        self._none_since: float | None = None
        self._notify_at = 0.0
        self._checked_at: float | None = None
        self._requests = MachineRequests(planner.wanted, repeated=may_grow)
        self._takeover = Takeover(options.warm)
        self.taken_over: list[KeptSet] = []
        """What earlier runs have kept and this one goes on with."""
        self.kept: list[KeptSet] = []
        """What stays after this run."""

    def update(self, nodes: list[Node]) -> list[Call]:
        """Start a set on each machine that is new and has room for one; return the calls that those gone leave."""
        calls = self._drop_gone({node.id: node for node in nodes})
        known = self.by_node.keys() | self.refused.keys()
        new = [node for node in nodes if node.id not in known and not node.draining]
        new.sort(key=lambda node: (node.gpus, node.cpus), reverse=True)
        for i, node in enumerate(new):
            if len(self.by_node) < self.planner.files_left():
                self._start(node, new[i:])
        self._takeover.end_rest()
        return calls

    def _drop_gone(self, up: dict[str, Node]) -> list[Call]:
        """Give up the sets of machines that are not up; return their calls, and those that wait for what was there."""
        gone = [each for each in self.by_node.values() if each.node.id not in up]
        calls = []
        for node_set in gone:
            logger.warning("the machine %s is gone; its files go on elsewhere", node_set.node)
            for call in node_set.running() if not node_set.node.draining else ():
                call.node_deaths += 1
            calls += self.drop(node_set)
        for call in calls:  # whatever died there died with the machine
            call.suspect, call.crashes = False, 0
        for node_set in self.by_node.values():
            node_set.node = up[node_set.node.id]
            for pool in node_set.pools if gone else ():
                calls += pool.withdraw_waiting_for({each.node.id for each in gone})
        return calls

    def drop(self, node_set: NodeSet, reason: str | None = None) -> list[Call]:
        """Give up a set, and with a `reason` its machine; return its calls."""
        del self.by_node[node_set.node.id]
        if reason:
            self.refused[node_set.node.id] = reason
        return node_set.close()

    def check(self, now: float) -> None:
        """Look at the actors that cannot be used. Raises NodesGone if there has been no machine for too long."""
        elapsed = now - (self._checked_at or now)
        self._checked_at = now
        for node_set in list(self.by_node.values()):
            node_set.startup.check(now)
            if node_set.node.draining and node_set.is_idle:
                logger.info("the machine %s has finished its files before it leaves", node_set.node)
                self.drop(node_set)
        if not any(node_set.startup.placed for node_set in self.by_node.values()):
            self.waited_s += elapsed
        self.ask_for_machines(now)
        if self.by_node:
            self._none_since = None
        else:
            self._wait_for_node(now)

    def ask_for_machines(self, now: float) -> None:
        """Ask the cluster for the machines that the files left can use: one that scales itself then starts them."""
        self._requests.ask(now, self.planner.files_left, self.by_node, self.refused)

    def close(self, *, keep: bool = False) -> None:
        """End all actors, and give back what is reserved; or `keep` those for the next run that can be kept."""
        for node_set in list(self.by_node.values()):
            if keep and (kept := node_set.keep()):
                self.kept.append(kept)
            else:
                self.drop(node_set)
                start_next(node_set.specs, node_set.node, self._options.models)
        self._requests.withdraw()

    def _start(self, node: Node, nodes: list[Node]) -> None:
        taken = Counter({spec.name: 0 for each in self.by_node.values() for spec in each.specs})
        taken.update(spec.name for each in self.by_node.values() for spec in each.specs for _ in range(spec.size))
        try:
            if self._checked_at and not sees_server(node):
                raise CannotBePlaced("it does not reach a Prefect server on 127.0.0.1; set PREFECT_API_URL")  # noqa: TRY301
            specs = self.planner.specs(node, nodes, taken)
            kept = self._takeover.take(node.id, specs)
            node_set = NodeSet(
                node, specs, self._options, self._budget_bytes, self._post, self._tell, self._give_up, kept
            )
        except CannotBePlaced as error:
            self.refused[node.id] = str(error)
            logger.info("the machine %s gets no actors: %s", node, error)
            return
        self.by_node[node.id] = node_set
        self.taken_over += [kept] if kept else []
        if self._had_any:
            logger.info("the machine %s gets actors", node)
        self._had_any = True
        self._requests.withdraw()  # the actors need what is reserved there

    def _tell(self, node_set: NodeSet, message: str) -> None:
        """Tell the user what a set waits for, if the run waits for it: no other set works, and it is the first."""
        if any(each.is_up for each in self.by_node.values()) or node_set is not next(iter(self.by_node.values())):
            logger.info("%s: %s", node_set.node, message)
        else:
            self.notify(message)

    def _wait_for_node(self, now: float) -> None:
        if self._none_since is None:
            self._none_since, self._notify_at = now, now + NOTIFY_AFTER_S
        minutes = f"{(now - self._none_since) / 60:.0f} min"
        if self._had_any and now > self._none_since + LIMIT_S:
            raise NodesGone(f"the machines that ran the pools are gone, and no other has joined in {minutes}")
        if now > self._notify_at:
            self._notify_at = now + NOTIFY_EVERY_S
            machines = f"{len(self._requests)} machines, each with " if len(self._requests) > 1 else ""
            wanted = machines + in_words(Counter(self.planner.wanted))
            refused = [] if self._had_any else dict.fromkeys(self.refused.values())
            why = "".join(f"; {reason}" for reason in refused)
            self.notify(f"waiting for a machine with room for the pools ({minutes}): Ray is asked for {wanted}{why}")
