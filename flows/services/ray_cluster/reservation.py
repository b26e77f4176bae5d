"""Resources that a run reserves in the Ray cluster."""

from collections import Counter
from typing import Any, Literal

import ray
from ray.util.placement_group import get_placement_group, placement_group, placement_group_table, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from flows.host.programs import typed
from flows.services.ray_cluster.records import holders, in_words


class Reservation:
    """A placement group. Ray creates it once all of its bundles are free at the same time.

    They are reserved on one machine, the one whose identifier is `node_id`, or wherever there is room. With a `name`
    they stay reserved after this process, until they are released.
    """

    def __init__(
        self, bundles: list[dict[str, float]], node_id: str = "", name: str = "", *, taken_over: bool = False
    ) -> None:
        """If `taken_over`, an earlier process has reserved them under this name."""
        self._bundles = bundles
        if taken_over:
            self._group = get_placement_group(name)
            return
        labels = [{"ray.io/node-id": node_id}] * len(bundles) if node_id else None
        lifetime: Literal["detached"] | None = "detached" if name else None
        self._group = placement_group(bundles, "PACK", name, lifetime, bundle_label_selector=labels)

    def strategy(self, bundle: int) -> PlacementGroupSchedulingStrategy:
        """Return the scheduling strategy of an actor that uses this bundle."""
        return PlacementGroupSchedulingStrategy(self._group, bundle)

    @property
    def placed(self) -> bool:
        """Whether the resources are reserved, as Ray's head says."""
        return bool(self.node)

    @property
    def node(self) -> str:
        """The identifier of the machine that holds the first bundle; empty before they are placed."""
        table = placement_group_table(self._group)
        return str(table["bundles_to_node_id"][0]) if table["state"] == "CREATED" else ""

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
