"""The room in the Ray cluster that the pools of a run reserve."""

from collections import Counter
from typing import Any

import ray
from ray.util.placement_group import placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from flows.host.programs import typed
from flows.pools.placement import Bundle, CannotBePlaced, place
from flows.pools.sizing import Node, PoolSpec
from flows.services.ray_records import holders, in_words


class Room:
    """A placement group for the actors of the pools. Ray creates it when all of it is free at once."""

    def __init__(self, specs: list[PoolSpec], bundles: list[Bundle]) -> None:
        self._specs = specs
        self._bundles = bundles
        self._group = placement_group([bundle.resources for bundle in bundles], strategy="PACK")

    def places_of(self, spec: PoolSpec) -> list[PlacementGroupSchedulingStrategy]:
        """Return the places of a pool's actors."""
        places = [i for i, bundle in enumerate(self._bundles) for pool in bundle.pools if pool == spec.name]
        return [PlacementGroupSchedulingStrategy(self._group, place) for place in places]

    def is_there(self, timeout: float = 0) -> bool:
        """Tell whether it is reserved, after at most `timeout` seconds."""
        return bool(self._group.wait(timeout))

    def impossible(self) -> str | None:
        """Return why even the whole cluster has no such room, since it has lost a machine; None if it has."""
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
        try:
            place(self._specs, [Node(each.get("CPU", 0.0), int(each.get("GPU", 0))) for each in nodes])
        except CannotBePlaced as error:
            return str(error)
        return None

    def sought(self, actors: list[Any]) -> str:
        """Return what `actors`, which are to use it, need, what is free, and who holds the rest."""
        needed: Counter[str] = Counter()
        for bundle in self._bundles:
            needed.update(bundle.resources)
        free: Counter[str] = Counter(ray.available_resources())  # type: ignore[no-untyped-call]
        held = holders(actors)
        others = f"in use by {', '.join(held)}" if held else f"`{typed('ray status')}` says who uses the rest"
        return f"the pools need {in_words(needed)}; free: {in_words(free)}; {others}"

    def give_back(self) -> None:
        """Let others have it."""
        remove_placement_group(self._group)
