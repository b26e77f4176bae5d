"""What happens to calls that fail other than by an exception of their task: their process died, hangs or is lost."""

import logging
import time
from collections.abc import Callable, Mapping

import ray
from ray.exceptions import (
    ActorUnavailableError,
    ObjectLostError,
    OutOfMemoryError,
    RayActorError,
    RayTaskError,
    WorkerCrashedError,
)

from flows.pools.call import Call
from flows.pools.outcome import Outcome
from flows.pools.pool import Pool
from flows.pools.replica import Replica
from flows.services.failures import PoolNotUp, brief
from flows.services.ray_cluster.node import Node
from flows.services.ray_cluster.nodes import is_gone
from flows.services.ray_cluster.records import memory_at_death
from tasks.errors import describe

logger = logging.getLogger(__name__)

DIED = (RayActorError, WorkerCrashedError, OutOfMemoryError)
MAX_CRASHES = 2
"""How many actors a call may crash that ran nothing else: where others ran too, it may not be the cause."""
WORKER_DIED = f"worker died ({MAX_CRASHES} times)"
MAX_NODE_DEATHS = 4
"""How many machines may die while they run a call, before it is taken for the cause. They are also taken back, and many
at a time."""
NODES_DIED = f"{MAX_NODE_DEATHS} machines of the cluster died while they worked on it"


class FailurePolicy:
    """Decides whether a call that went wrong on a machine is run again or fails. Only for the dispatcher's thread.

    When an actor dies, Ray restarts it, and the calls that it had are run again, each alone: one that crashes its actor
    again is the cause, and fails; the others complete. When the machine has died, its calls are run elsewhere, within
    the limit of `survivors`. `give_up` is called with an actor that cannot be started, and the reason.
    """

    def __init__(self, node: Node, pool_of: Mapping[str, Pool], give_up: Callable[[Replica, Exception], None]) -> None:
        self._node = node
        self._pool_of = pool_of
        self.give_up = give_up

    def poisoned(self, call: Call, replica: Replica, outcome: Outcome) -> None:
        """Replace the process of an actor that cannot use its GPU any more."""
        if replica.incarnation == call.incarnation:
            ray.kill(replica.actor, no_restart=False)
        self._crashed(call, replica, str(outcome.error))

    def failed(self, call: Call, replica: Replica, error: BaseException) -> None:
        """Decide on a call that ended with an error of Ray."""
        if isinstance(error, DIED) and is_gone(self._node):
            replica.in_doubt.append(call)
            replica.mark_lost(time.monotonic())
        elif isinstance(error, RayActorError) and error.actor_init_failed:
            self._crashed(call, replica, f"{WORKER_DIED}, and could not be started again")
            self.give_up(replica, PoolNotUp(replica.spec.name, f"its processes do not start: {brief(error)}"))
        elif isinstance(error, ActorUnavailableError) and self._may_be_alive(call, replica):
            replica.in_doubt.append(call)
            replica.mark_lost(time.monotonic())
        elif isinstance(error, DIED):
            slow = f"worker timed out: the stage took more than {call.timeout_s:.0f} s ({MAX_CRASHES} times)"
            self._crashed(call, replica, slow if replica.hung else WORKER_DIED)
        else:
            call.fail(describe(error.cause if isinstance(error, RayTaskError) else error))

    def resolve_doubt(self, replica: Replica, *, died: bool) -> None:
        """Decide on the calls whose results are lost: the actor's process has died, or was only unreachable.

        A process that was unreachable may still be running them. That is harmless, for it writes the same.
        """
        in_doubt, replica.in_doubt = replica.in_doubt, []
        if in_doubt and died:
            replica.incarnation += 1
            alone = len(in_doubt) == 1 and not replica.calls
            for call in in_doubt:
                call.crashes += alone
                self._run_again(call, replica, WORKER_DIED)
        for call in in_doubt if not died else ():
            logger.warning("a process of the pool %s was unreachable; what it ran is run again", replica.spec.name)
            self._pool_of[call.stage].enqueue(call)

    def _may_be_alive(self, call: Call, replica: Replica) -> bool:
        """Return whether an unavailable actor may be alive: it was not killed, and is not known to have died."""
        in_use = replica in self._pool_of[call.stage].replicas
        return replica.incarnation == call.incarnation and not replica.hung and in_use

    def _crashed(self, call: Call, replica: Replica, reason: str) -> None:
        if replica.incarnation == call.incarnation:  # the first error of this process's calls
            call.crashes += not replica.calls
            replica.incarnation += 1
            replica.mark_lost(time.monotonic())
        self._run_again(call, replica, reason)

    def _run_again(self, call: Call, replica: Replica, reason: str) -> None:
        """Run a call again, alone, after its process died; fail it if it has crashed too many."""
        call.suspect = True
        if call.crashes < MAX_CRASHES:
            logger.warning("a process of the pool %s died; what it ran is run again, alone", replica.spec.name)
            self._pool_of[call.stage].suspects.append(call)
        else:
            killed = killed_by_ray(replica)
            call.fail(f"{reason}: {killed}" if killed else reason)


def survivors(calls: list[Call]) -> list[Call]:
    """Fail those of these calls whose machines have died too often while they ran them, and return the others.

    Of those that have lost three machines, the Router runs one at a time on a machine. So those that ran beside the
    cause three times do not meet it again, and it reaches the limit alone.
    """
    for call in calls:
        if call.node_deaths >= MAX_NODE_DEATHS:
            call.fail(NODES_DIED)
    return [call for call in calls if call.node_deaths < MAX_NODE_DEATHS]


def is_loss(error: BaseException) -> bool:
    """Return whether a call has failed because Ray has lost one of its inputs."""
    return isinstance(error.cause if isinstance(error, RayTaskError) else error, ObjectLostError)


def killed_by_ray(replica: Replica) -> str | None:
    """Return what to tell the user if Ray has ended the actor's last process to free memory; None if it has not."""
    memory = memory_at_death(replica.actor)
    return memory and (
        f"Ray ended its process because memory ran out ({memory} in use); give it more memory, or fewer or smaller "
        f"actors and threads, a smaller --model or a smaller --batch_size"
    )
