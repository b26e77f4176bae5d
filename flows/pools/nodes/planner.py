"""Which actors each machine of the cluster gets."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from math import ceil
from typing import Protocol

from flows.config.pools import PoolSettings
from flows.pools.sizing import PoolSpec, plan_pools
from flows.services.ray_cluster.node import Node


class Planner(Protocol):
    """Plans the actors of one machine after another."""

    @property
    def stages(self) -> frozenset[str]:
        """The stages whose models are loaded."""

    wanted: dict[str, float]
    """What is asked of an autoscaling cluster that has no machine for the pools."""

    def files_left(self) -> int:
        """Return how many files are still to be done: there are no more sets of actors than that."""

    def specs(self, node: Node, nodes: Sequence[Node], taken: Counter[str]) -> list[PoolSpec]:
        """Return the pools of a machine, which may turn out not to fit there.

        `nodes` are all machines that have none yet, this one included; `taken` counts the actors on others by pool.
        """


class NodePlanner:
    """Plans for each machine what one machine by itself would get; see plan_pools.

    Once there is a machine with a GPU, none without one gets actors, unless no stage is to use GPUs. Sizes that the
    user has set count for the whole cluster: they are divided over the machines by GPUs (without any, by CPUs), and
    each machine gets at least one actor of each pool, since a file stays on one machine.
    """

    def __init__(
        self,
        settings: PoolSettings,
        stages: Collection[str],
        files_left: Callable[[], int],
        *,
        cross_attention: bool,
        device: str | None,
        second_model: bool = False,
    ) -> None:
        self._settings = settings
        self._cross_attention = cross_attention
        self._second_model = second_model
        self._use_gpus = device != "cpu"
        self._on_gpus = device == "cuda"
        self.stages = frozenset(stages)
        self.files_left = files_left
        self.wanted = {"CPU": 1.0, **({"GPU": 1.0} if self._use_gpus else {})}

    def specs(self, node: Node, nodes: Sequence[Node], taken: Counter[str]) -> list[PoolSpec]:
        """Return the pools of a machine; see Planner."""
        self._on_gpus |= self._use_gpus and any(each.gpus for each in nodes)
        planned = replace(node, gpus=max(node.gpus, 1)) if self._on_gpus else node
        return plan_pools(
            [planned],
            self._share_of(node, nodes, taken),
            self.stages,
            max(self.files_left(), 1),
            cross_attention=self._cross_attention,
            use_gpus=self._use_gpus,
            second_model=self._second_model,
        )

    def _share_of(self, node: Node, nodes: Sequence[Node], taken: Counter[str]) -> PoolSettings:
        sizes = {name: getattr(self._settings, f"{name}_actor_size") for name in ("transcribe", "align", "diarize")}
        part = _weight(node, nodes) / sum(_weight(each, nodes) for each in nodes)
        shares = {
            f"{name}_actor_size": max(1, ceil(round((size - taken[name]) * part, 4)))
            for name, size in sizes.items()
            if size is not None
        }
        return self._settings.model_copy(update=shares)


def _weight(node: Node, nodes: Sequence[Node]) -> float:
    return node.gpus if any(each.gpus for each in nodes) else max(node.cpus, 0.001)
