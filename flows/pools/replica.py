"""An actor of a pool, and the calls that it runs: what may be given to it, and whether it hangs."""

import time
from dataclasses import dataclass, field
from typing import Any

from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from flows.pools.call import Call
from flows.pools.sizing import PoolSpec
from flows.pools.worker import Models, StageActor
from flows.reporting.ending import RunBroken, brief
from flows.services.allocator_env import runtime_env
from tasks.faults import is_out_of_memory

RELOAD_S = 1.0
"""How long after its death an actor is told to load its models again."""
MISSED_S = 300.0
"""In what time one more actor must have come up; its models are on the disk, for others have loaded them."""


UNREACHABLE = (
    "couldn't connect to",
    "cannot find the requested files in the local cache",
    "Cannot find an appropriate cached snapshot folder",
    "Max retries exceeded",
    "Network is unreachable",
    "Name or service not known",
    "Failed to resolve",
)
"""Words of errors of huggingface_hub, transformers and torch.hub where no network is."""


class ModelsNotLoaded(RunBroken):
    """No actor of a pool can load its models: nothing that it is there for can be done."""

    def __init__(self, spec: PoolSpec, cause: BaseException | str) -> None:
        reason = cause if isinstance(cause, str) else f"{brief(cause)}{_advice(cause)}"
        super().__init__(f"the pool {spec.name!r} cannot load its models: {reason}")


def _advice(cause: BaseException) -> str:
    if is_out_of_memory(cause):
        return "; end what else uses the GPU, or choose a smaller --model or --compute_type int8"
    if isinstance(cause, ConnectionError) or any(words in str(cause) for words in UNREACHABLE):
        return "; fetch the models where there is a network, with whisperx-batch-models, and name that --model_dir"
    return ""


class PoolNotUp(RunBroken):
    """No actor of a pool has come up."""

    def __init__(self, spec: PoolSpec, reason: str) -> None:
        super().__init__(f"the pool {spec.name!r} has not come up: {reason}")


@dataclass(eq=False)
class Member:
    """An actor and the calls that it runs."""

    actor: Any
    spec: PoolSpec
    extra: bool = False
    """The pool can do without it."""
    began: float = field(default_factory=time.monotonic)
    ready: bool = False
    life: int = 0
    calls: set[Call] = field(default_factory=set)
    restarts: int | None = None
    """How many of its processes had died when it was last ready; None before it first is."""
    doubted: list[Call] = field(default_factory=list)
    """Calls whose result is lost: its process has died, or was unreachable for a while."""
    lost_at: float = 0.0
    """When it was last found to have died or to be unreachable."""
    load_at: float | None = None
    """When it is to be told to load its models again."""
    loads: int = 0
    """How often that has failed."""
    hung: bool = False

    @property
    def free(self) -> int:
        """How many more calls it may be given beside those that it has."""
        if not self.ready or any(call.suspect for call in self.calls):
            return 0
        return self.spec.slots - len(self.calls)

    @property
    def counts(self) -> bool:
        """Whether its pool has it: one more, for which there may be no room, only once it has come up."""
        return self.ready or not self.extra

    def is_missed(self, now: float) -> bool:
        """Tell whether it is one more and has not come up: Ray may have had no room for it after all."""
        return self.extra and self.restarts is None and now > self.began + MISSED_S

    def take(self, call: Call) -> None:
        """Add a call; some of those that are there compute before it."""
        call.deadline = time.monotonic() + call.limit_s + sum(other.limit_s for other in self.calls)
        self.calls.add(call)

    def lose(self, now: float) -> None:
        """Give it no more calls before its models are loaded again."""
        self.ready, self.lost_at, self.load_at = False, now, now + RELOAD_S

    def hangs(self) -> bool:
        """Tell whether one of its calls should have been through by now."""
        return any(time.monotonic() > call.deadline for call in self.calls)


def start_member(spec: PoolSpec, batch: Models, place: PlacementGroupSchedulingStrategy | None = None) -> Member:
    """Start an actor, in a place that is reserved, or, beyond those, where Ray has room."""
    actor = StageActor.options(
        num_cpus=spec.num_cpus,
        num_gpus=spec.num_gpus,
        max_concurrency=spec.slots,
        max_restarts=-1,
        # What a dead actor was running is for the dispatcher to decide; Ray would run it all again at once.
        max_task_retries=0,
        runtime_env=runtime_env(),
        scheduling_strategy=place,
    ).remote(spec.parallel, batch.models.threads or spec.threads, offline=batch.models.offline)
    return Member(actor, spec, extra=place is None)
