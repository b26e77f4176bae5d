"""What the command hands to the flow run that it starts: the plan, and pools that already load their models."""

import logging
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass

from prefect import get_run_logger
from pydantic import SecretStr

from flows.admission import MEGABYTE
from flows.config.parameters import Batch
from flows.host.terminal import say
from flows.planning.plan import Plan
from flows.pools.group import Pools
from flows.pools.nodes.planner import NodePlanner
from flows.pools.placement import CannotBePlaced
from flows.pools.warm.kept_set import kept_sets
from flows.pools.warm.policy import WarmPolicy
from flows.pools.worker import ActorOptions
from flows.reporting.tracker import Tracker
from flows.services.ray_cluster.session import RaySession
from tasks.alignment.selection import CROSS_ATTENTION
from tasks.models.registry import default_aligners

logger = logging.getLogger(__name__)

NOT_KEPT = (
    "keep_warm has no effect, since this run's Ray ends with it: another run uses what is warm, ray_dashboard or "
    "ray_address asks for a Ray of its own, or the flow was started without a Ray cluster and not by the command"
)


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
    for kept in pools.taken_over if pools and batch.run.verbose else ():
        say(f"warm: {', '.join(kept.labels)}, from an earlier run")
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


def pools_for(batch: Batch, session: RaySession, plan: Plan, notify: Callable[[str], object] = logger.warning) -> Pools:
    """Return the pools for the flow, started for its run; `notify` is told what they wait for.

    Raises CannotBePlaced.
    """
    handed = _prepared.get() or Prepared()
    pools, handed.pools = handed.pools, None
    if pools and not plan.stages() <= pools.stages:
        pools.close()
        pools = None
    pools = pools or start_pools(batch, session, plan)
    if batch.run.keep_warm and not session.outlives_us:
        notify(NOT_KEPT)
    for line in pools.described():
        get_run_logger().info("%s", line)
    pools.start(plan.audio_left, notify)
    return pools


def start_pools(batch: Batch, session: RaySession, plan: Plan) -> Pools:
    """Start the actors for what is to be done; they begin to load their models. Raises CannotBePlaced."""
    planner = NodePlanner(
        batch.pools,
        plan.stages(),
        plan.files_left,
        cross_attention=all_by_cross_attention(batch, plan.languages()),
        device=batch.models.device,
        second_model="second_model" in batch.whisper_models,
    )
    token = os.environ.get("HF_TOKEN") or None  # empty in a deployment's run without one
    options = ActorOptions(
        batch.models,
        batch.transcribe,
        batch.align,
        batch.diarize,
        SecretStr(token) if token else None,
        batch.second_pass,
        WarmPolicy.of(batch, token, keep=session.outlives_us) if batch.run.keep_warm or kept_sets() else None,
    )
    budget = batch.run.audio_budget * MEGABYTE if batch.run.audio_budget else None
    return Pools(planner, options, batch.run.stage_timeout, budget, waits_for_machines=session.joined)


def all_by_cross_attention(batch: Batch, languages: Collection[str]) -> bool:
    """Return whether Whisper's own attention times the words of all files, those in these `languages` included.

    Then the process that transcribes can align too, and no other has to load Whisper a second time.
    """
    if batch.align is None:
        return False
    asked = batch.transcribe.fixed_language
    if asked is None:  # any language may be detected; one aligner counts for all of them if it is CROSS_ATTENTION
        return batch.align.aligners() == {"": CROSS_ATTENTION}
    named = {language: batch.align.named(language, asked) for language in {asked, *languages}}
    return all(
        (name or default_aligners().get(each, CROSS_ATTENTION)) == CROSS_ATTENTION for each, name in named.items()
    )
