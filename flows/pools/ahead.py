"""Starts the pools that a batch needs on the machines of its cluster."""

import os
from collections.abc import Collection

from pydantic import SecretStr

from flows.config.parameters import Batch
from flows.planning.plan import Plan
from flows.pools.group import Pools
from flows.pools.placement import place
from flows.pools.sizing import plan_pools
from flows.pools.worker import Models
from flows.services.ray_cluster import RaySession
from tasks.alignment.selection import CROSS_ATTENTION
from tasks.models.registry import default_aligners


def start_pools(batch: Batch, session: RaySession, plan: Plan) -> Pools:
    """Start the actors for the remaining files; they begin to load their models. Raises CannotBePlaced."""
    specs = plan_pools(
        session.nodes,
        batch.pools,
        plan.stages(),
        len(plan.waiting()),
        cross_attention=all_by_cross_attention(batch, plan.languages()),
        use_gpus=batch.models.device != "cpu",
    )
    token = os.environ.get("HF_TOKEN")
    models = Models(batch.models, batch.transcribe, batch.align, batch.diarize, SecretStr(token) if token else None)
    return Pools(specs, place(specs, session.nodes), models, batch.run.stage_timeout)


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
