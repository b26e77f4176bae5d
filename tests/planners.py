"""A planner of pools for tests that name them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from flows.pools.sizing import PoolSpec
from flows.services.ray_cluster.node import Node


@dataclass
class Fixed:
    """Plans the same pools for every machine."""

    pools: list[PoolSpec]
    files: int = 1000
    wanted: dict[str, float] = field(default_factory=lambda: {"CPU": 1.0})

    def files_left(self) -> int:
        """Return how many files there are."""
        return self.files

    @property
    def stages(self) -> frozenset[str]:
        """The stages of all pools."""
        return frozenset(stage for spec in self.pools for stage in spec.stages)

    def specs(self, node: Node, nodes: Sequence[Node], taken: Counter[str]) -> list[PoolSpec]:  # noqa: ARG002
        """Return the pools, whatever the machine is."""
        return self.pools
