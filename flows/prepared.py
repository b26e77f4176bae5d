"""What the command hands to the flow run that it starts: the plan, and pools that already load their models."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass

from prefect import get_run_logger

from flows.config.parameters import Batch
from flows.planning.plan import Plan
from flows.pools.ahead import start_pools
from flows.pools.group import Pools
from flows.pools.placement import CannotBePlaced
from flows.reporting.tracker import Tracker
from flows.services.ray_cluster import RaySession

logger = logging.getLogger(__name__)


@dataclass
class Prepared:
    """Each part is taken once: a flow that Prefect runs again makes a new plan and starts new pools."""

    plan: tuple[Plan, Tracker] | None = None
    pools: Pools | None = None


_prepared: ContextVar[Prepared | None] = ContextVar("prepared", default=None)
"""Not a parameter of the flow: Prefect keeps those as JSON."""


@contextmanager
def prepared(batch: Batch, session: RaySession, plan: Plan, tracker: Tracker) -> Iterator[None]:
    """Hand the plan to the flow that is run inside, and start its pools, whose models take longer than a server."""
    pools = None
    with suppress(CannotBePlaced):  # the flow will say so, where it is seen in Prefect too
        pools = start_pools(batch, session, plan) if plan.stages() else None
    token = _prepared.set(Prepared((plan, tracker), pools))
    try:
        yield
    finally:
        _prepared.reset(token)
        if pools:
            pools.close()


def take_plan() -> tuple[Plan, Tracker] | None:
    """Return the plan that the command has made, and its tracker; None for a flow that was not started by it."""
    handed = _prepared.get() or Prepared()
    plan, handed.plan = handed.plan, None
    return plan


def pools_for(batch: Batch, session: RaySession, plan: Plan, say: Callable[[str], object] = logger.warning) -> Pools:
    """Return the pools for the flow, started for its run; `say` is told what they wait for.

    Raises CannotBePlaced.
    """
    handed = _prepared.get() or Prepared()
    pools, handed.pools = handed.pools, None
    if pools and not plan.stages() <= pools.stages:
        pools.close()
        pools = None
    pools = pools or start_pools(batch, session, plan)
    for spec in pools.specs:
        get_run_logger().info("%s", spec)
    pools.start(plan.audio_left, say)
    return pools
