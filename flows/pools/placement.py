"""Assigns the actors of the pools to the machines of the Ray cluster."""

from dataclasses import dataclass, field

from flows.pools.sizing import PoolSpec
from flows.services.failures import RunBroken
from flows.services.ray_cluster.node import Node


class CannotBePlaced(RunBroken):
    """The machines have too few CPUs or GPUs for the pools."""


@dataclass
class Bundle:
    """Resources reserved together on one machine: at most one GPU's worth of actors, by their pools' names."""

    pools: list[str] = field(default_factory=list)
    cpus: float = 0.0
    gpus: float = 0.0
    spare_gpus: float = 0.0
    """The rest of its GPU, for surplus actors."""

    def add(self, spec: PoolSpec) -> None:
        """Reserve for one more actor."""
        self.pools.append(spec.name)
        self.cpus = round(self.cpus + spec.num_cpus, 4)
        self.gpus = round(self.gpus + spec.num_gpus, 4)

    @property
    def resources(self) -> dict[str, float]:
        """The bundle as Ray takes it."""
        gpus = round(self.gpus + self.spare_gpus, 4)
        reserved = {name: amount for name, amount in (("CPU", self.cpus), ("GPU", gpus)) if amount}
        return reserved or {"CPU": 0.001}  # Ray takes no empty bundle


def place(pools: list[PoolSpec], nodes: list[Node]) -> list[Bundle]:
    """Return the bundles to reserve: one for actors that share a GPU, one for each of the others.

    Without bundles, Ray could scatter free shares over several GPUs until no actor fits on any. Where a pool may grow,
    the whole GPU is reserved: Ray would put surplus actors on the GPU with the smallest rest that is enough, not one on
    each. Raises CannotBePlaced.
    """
    gpus = [Bundle() for _ in range(sum(node.gpus for node in nodes))]
    alone: list[Bundle] = []
    whole = 0
    for spec in sorted(pools, key=lambda spec: spec.num_gpus, reverse=True):
        for _ in range(spec.size):
            if spec.num_gpus > 1 and not spec.num_gpus.is_integer():
                raise CannotBePlaced(
                    f"{spec.name}: {spec.num_gpus:g} GPUs an actor; it must be a whole number or below 1"
                )
            if spec.num_gpus > max((node.gpus for node in nodes), default=0):
                raise CannotBePlaced(_too_many_gpus(pools, nodes))
            if 0 < spec.num_gpus < 1:
                bundle = min(gpus[: len(gpus) - whole], key=lambda bundle: bundle.gpus, default=None)
                if bundle is None or round(bundle.gpus + spec.num_gpus, 4) > 1:
                    raise CannotBePlaced(_too_many_gpus(pools, nodes))
            else:
                bundle = Bundle()
                alone.append(bundle)
                whole += int(spec.num_gpus)
            bundle.add(spec)
    bundles = [bundle for bundle in gpus if bundle.pools] + alone
    if whole + sum(1 for bundle in gpus if bundle.pools) > len(gpus):
        raise CannotBePlaced(_too_many_gpus(pools, nodes))
    _check_cpus(pools, bundles, nodes)
    growing = {spec.name for spec in pools if spec.surplus_num_gpus}
    for bundle in gpus:
        bundle.spare_gpus = round(1 - bundle.gpus, 4) if growing.intersection(bundle.pools) else 0.0
    return bundles


def bundles_of(spec: PoolSpec, bundles: list[Bundle]) -> list[int]:
    """Return the index of the bundle of each of a pool's actors."""
    return [i for i, bundle in enumerate(bundles) for pool in bundle.pools if pool == spec.name]


def _check_cpus(pools: list[PoolSpec], bundles: list[Bundle], nodes: list[Node]) -> None:
    """Pack the bundles into the machines, those with GPUs first, the largest first. Raises CannotBePlaced."""
    free = [[float(node.gpus), node.cpus] for node in nodes]
    for bundle in sorted(bundles, key=lambda bundle: (bundle.gpus, bundle.cpus), reverse=True):
        gpus = 1.0 if 0 < bundle.gpus < 1 else bundle.gpus
        room = [node for node in free if node[0] >= gpus and round(node[1] - bundle.cpus, 4) >= 0]
        if not room:
            needs = ", ".join(f"{spec.name} {spec.size} × {spec.num_cpus:g}" for spec in pools)
            has = ", ".join(f"{node.cpus:g}" for node in nodes)
            raise CannotBePlaced(f"the pools reserve more CPUs than there are on the machines ({has}): {needs}")
        # Where no GPU is needed, machines without one come first.
        node = min(room, key=lambda node: (node[0] - gpus, node[1]))
        node[0] -= gpus
        node[1] -= bundle.cpus


def _too_many_gpus(pools: list[PoolSpec], nodes: list[Node]) -> str:
    needs = ", ".join(f"{spec.name} {spec.size} × {spec.num_gpus:g}" for spec in pools if spec.num_gpus)
    has = sum(node.gpus for node in nodes)
    return f"the pools reserve more GPUs than the cluster has ({has}): {needs}; lower --…_actor_size or --…_num_gpus"
