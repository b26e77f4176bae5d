"""A machine's set of actors that stays after its run: detached actors and a detached placement group of Ray's."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

import ray
from ray.util.placement_group import get_placement_group, placement_group_table, remove_placement_group

from flows.services.ray_cluster.records import in_words

PREFIX = "whisperx-batch-warm-"
"""The names of kept sets begin with it: of the placement group, and of the actors, which also have a number."""


@dataclass(frozen=True)
class KeptSet:
    """What a kept set holds."""

    name: str
    node: str
    """Ray's identifier of its machine."""
    process: str
    """A digest of what its processes were started with."""
    models: Mapping[str, str]
    """A digest of each model that they may have loaded, by what it is used for."""
    labels: tuple[str, ...] = ()
    """The models in words."""
    reserved: Mapping[str, float] | None = None
    """The CPUs and GPUs that are reserved for it."""
    memory_bytes: int = 0
    """The memory of its processes."""
    until: float = 0.0
    """When it ends, in seconds since the epoch."""

    def serves(self, node: str, process: str, models: Mapping[str, str]) -> bool:
        """Return whether a run on this machine with these processes and models can go on with it.

        Models that only one of both has are no obstacle: the run loads what is missing, and leaves alone what it does
        not use.
        """
        same = all(self.models[use] == models[use] for use in self.models.keys() & models.keys())
        return (node, process) == (self.node, self.process) and same

    def __str__(self) -> str:
        """Return what it holds, and until when, for the user."""
        amounts = in_words(Counter(self.reserved or {}))
        end = datetime.fromtimestamp(self.until).astimezone()
        return f"{', '.join(self.labels)} ({self.memory_bytes / 1e9:.1f} GB, {amounts}) until {end:%H:%M:%S}"


def new_name() -> str:
    """Return a name for a set that is to be kept."""
    return PREFIX + uuid4().hex[:12]


def actor_name(kept: str, pool: str, number: int) -> str:
    """Return the name of an actor of a kept set."""
    return f"{kept}/{pool}/{number}"


def kept_sets() -> dict[str, list[str]]:
    """Return the names of the actors of each kept set in this Ray, in use or not, by the set's name.

    Actors whose placement group is gone, which Ray would for ever try to restart, are ended.
    """
    names = sorted(ray.util.list_named_actors())
    # Afterwards: a run that starts a set just now makes the reservation before the actors.
    reserved = {group["name"] for group in placement_group_table().values() if group["state"] != "REMOVED"}
    found = defaultdict(list)
    for name in names:
        kept = name.partition("/")[0]
        if name.startswith(PREFIX) and kept in reserved:
            found[kept].append(name)
        elif name.startswith(PREFIX):
            _end(name)
    return dict(found)


def end_set(kept: str) -> None:
    """End the actors of a kept set, and give back what is reserved."""
    for name in kept_sets().get(kept, []):
        _end(name)
    _release(kept)


def end_own_set(kept: str) -> None:
    """Do the same from within an actor of the set. With the room Ray ends this process, if it gets no further."""
    names = kept_sets().get(kept, [])
    _release(kept)
    for name in names:
        _end(name)


def _end(actor: str) -> None:
    with suppress(ValueError):  # it has ended meanwhile
        ray.kill(ray.get_actor(actor))


def _release(kept: str) -> None:
    with suppress(ValueError):
        remove_placement_group(get_placement_group(kept))
