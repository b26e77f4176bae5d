"""How a run leaves its sets of actors, and how the next finds them: to go on with them, or to end them."""

import logging
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import astuple, replace
from typing import Any

import ray
from ray.exceptions import RayError

from flows.pools.placement import place
from flows.pools.sizing import PoolSpec
from flows.pools.warm.kept_set import KeptSet, end_set, kept_sets
from flows.pools.warm.policy import WarmPolicy, digest
from flows.services.ray_cluster.node import Node
from flows.services.ray_cluster.records import record_of

logger = logging.getLogger(__name__)

ANSWER_S = 10.0


class Takeover:
    """The kept sets that no other run has, from the moment at which a run looks."""

    def __init__(self, policy: WarmPolicy | None) -> None:
        """Claim them all; without a policy none."""
        self._policy = policy
        self._claimed = list(claimed(policy.job)) if policy else []

    def take(self, node: str, specs: list[PoolSpec]) -> KeptSet | None:
        """Return the set to go on with on a machine, and end the others there, which are in the way."""
        there = [each for each in self._claimed if each.node == node]
        self._claimed = [each for each in self._claimed if each.node != node]
        found = None
        for kept in there:
            if self._policy and not found and kept.serves(node, process_of(self._policy, specs), self._policy.models):
                found = kept
            else:
                end_set(kept.name)
        return found

    def end_rest(self) -> None:
        """End those that the run does not use."""
        for kept in self._claimed:
            end_set(kept.name)
        self._claimed = []


def process_of(policy: WarmPolicy, specs: list[PoolSpec]) -> str:
    """Return a digest of what the actors of these pools are started with; not of their stages, which any can run."""
    return digest([policy.process, [astuple(replace(spec, stages=())) for spec in specs]])


def leave(
    policy: WarmPolicy, name: str, node: Node, specs: list[PoolSpec], taken: KeptSet | None, actors: list[Any]
) -> KeptSet | None:
    """Let the actors of a set, `taken` from an earlier run or not, wait for the next one. None if any cannot."""
    reserved: Counter[str] = Counter()
    for bundle in place(specs, [node]):  # with the room for surplus actors
        reserved.update(bundle.resources)
    kept = KeptSet(
        name,
        node.id,
        process_of(policy, specs),
        {**(taken.models if taken else {}), **policy.models},
        tuple(dict.fromkeys((*(taken.labels if taken else ()), *policy.labels))),
        reserved,
        until=time.time() + policy.keep_s,
    )
    try:
        memory = ray.get([actor.rest.remote(kept) for actor in actors], timeout=ANSWER_S)
    except RayError as error:
        logger.warning("the actors cannot be kept warm: %s", error)
        return None
    return None if None in memory else replace(kept, memory_bytes=sum(memory))


def end_all() -> list[KeptSet]:
    """End every kept set that no run has, and return them."""
    ended = list(claimed(ray.get_runtime_context().get_job_id()))
    for kept in ended:
        end_set(kept.name)
    return ended


def claimed(job: str) -> Iterator[KeptSet]:
    """Claim every kept set that no other run has, and yield it; end those that a run was killed with."""
    for name, actors in kept_sets().items():
        # The first decides between runs that ask at the same time. One that does not answer is at work for another, is
        # being started, or has ended.
        first = _claims(actors[:1], job)
        if first is None or None in first:
            continue
        others = _claims(actors[1:], job)
        if others is None or not all(kept and kept.process for kept in first + others):
            end_set(name)
        else:
            yield first[0]


def _claims(actors: list[str], job: str) -> list[Any] | None:
    """Claim actors by their names; return what each says, None if any does not answer."""
    try:
        handles = [ray.get_actor(name) for name in actors]
        if not all(record_of(handle).up for handle in handles):
            return None
        # What nobody waits for any more must not be claimed: this run would wait for the room of its own actors.
        asked = [handle.claim.remote(job, time.time() + ANSWER_S) for handle in handles]
        claims: list[Any] = ray.get(asked, timeout=ANSWER_S)
    except (RayError, ValueError):
        return None
    return claims
