"""Resources that a run reserves in the Ray cluster."""

from collections import Counter
from typing import Any

import ray
from ray.util.placement_group import placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from flows.host.programs import typed
from flows.services.node import Node
from flows.services.ray_records import holders, in_words


def alive_nodes() -> list[Node]:
    """Return the machines of the cluster that are up."""
    resources = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    return [Node(each.get("CPU", 0.0), int(each.get("GPU", 0))) for each in resources]


ANSWER_S = 1.0
"""Within which Ray's head answers. With less, what is reserved can look as if it were not."""


class Reservation:
    """A placement group. Ray creates it once all of its bundles, each on one machine, are free at the same time."""

    def __init__(self, bundles: list[dict[str, float]]) -> None:
        self._bundles = bundles
        self._group = placement_group(bundles, strategy="PACK")

    def strategy(self, bundle: int) -> PlacementGroupSchedulingStrategy:
        """Return the scheduling strategy of an actor that uses this bundle."""
        return PlacementGroupSchedulingStrategy(self._group, bundle)

    def wait(self, timeout: float = 0) -> bool:
        """Return whether the resources are reserved, after at most `timeout` seconds, or the time that Ray needs."""
        return bool(self._group.wait(max(timeout, ANSWER_S)))

    def shortage(self, actors: list[Any]) -> str:
        """Return what is needed, what is free, and who holds the rest; `actors` are those of this run."""
        needed: Counter[str] = Counter()
        for bundle in self._bundles:
            needed.update(bundle)
        free: Counter[str] = Counter(ray.available_resources())  # type: ignore[no-untyped-call]
        held = holders(actors)
        others = f"in use by {', '.join(held)}" if held else f"`{typed('ray status')}` says who uses the rest"
        return f"the pools need {in_words(needed)}; free: {in_words(free)}; {others}"

    def release(self) -> None:
        """Give the resources back."""
        remove_placement_group(self._group)
