"""The default pools of a machine with GPUs, as they grow, against the best fixed ones: a simulation in virtual time.

The pools are those of flows/pools/sizing.py, and the Autoscaler decides on their growth. Only the actors are simulated:
each works on a file in one thread of its Python at a time and in one process of its GPU at a time, in turn.
"""

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from functools import partial

import pytest

from flows.config.pools import PoolSettings
from flows.pools.autoscaler import Autoscaler
from flows.pools.placement import bundles_of, place
from flows.pools.sizing import SURPLUS_NUM_GPUS, PoolSpec, plan_pools
from flows.services.ray_cluster.node import Node

FILE_S = 300.0
COSTS = {"load audio": (0.0, 0.0, 0.6), "transcribe": (0.8, 0.5, 0.0), "align": (0.25, 0.15, 0.0)}
"""Seconds of Python, of the GPU and of a core for a file of five minutes.

By benchmarks/RESULTS.md one actor on an H100 took 0.26 s a minute to transcribe, for 0.1 s of which the GPU was busy;
to align, it was busy for 0.03 s, and Python takes 0.05 s. To decode takes a core 0.04 s a minute, to check 0.08 s.
"""
STEPS = 4
START_S = 20.0
"""How long an actor takes to start, which loads its models."""
SETTLED_S, END_S = 120.0, 240.0
Then = Callable[[], None]


class Clock:
    """Virtual time, and what is to happen when."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Then]] = []
        self._order = itertools.count()

    def after(self, seconds: float, then: Then) -> None:
        """Do something later."""
        heapq.heappush(self._due, (self.now + seconds, next(self._order), then))

    def run(self) -> None:
        """Let all happen until END_S."""
        while self._due[0][0] < END_S:
            self.now, _, then = heapq.heappop(self._due)
            then()


class Lock:
    """What so many can have at a time, first come, first served."""

    def __init__(self, free: int = 1) -> None:
        self._free = free
        self._waiting: deque[Then] = deque()

    def take(self, then: Then) -> None:
        """Go on once it is free."""
        if self._free:
            self._free -= 1
            then()
        else:
            self._waiting.append(then)

    def give(self) -> None:
        """Let the next one have it."""
        if self._waiting:
            self._waiting.popleft()()
        else:
            self._free += 1


class Actor:
    """A process with its Python, on a GPU."""

    def __init__(self, clock: Clock, spec: PoolSpec, gpu: Lock) -> None:
        self._clock, self._gpu = clock, gpu
        self._python, self._computing = Lock(), Lock(spec.parallel)
        self.costs = COSTS[spec.name]
        self.free_slots = spec.slots

    def run(self, then: Then) -> None:
        """Work on a file."""
        self.free_slots -= 1
        self._computing.take(lambda: self._clock.after(self.costs[2], lambda: self._step(STEPS, then)))

    def _step(self, left: int, then: Then) -> None:
        python, device, _ = (seconds / STEPS for seconds in self.costs)

        def python_ended() -> None:
            self._python.give()
            self._gpu.take(lambda: self._clock.after(device, device_ended))

        def device_ended() -> None:
            self._gpu.give()
            self._step(left - 1, then)

        if left:
            self._python.take(lambda: self._clock.after(python, python_ended))
            return
        self._computing.give()
        self.free_slots += 1
        then()


class Machine:
    """The pools of a machine with so many GPUs, and more files than it can do."""

    def __init__(self, gpus: int, *, transcribe: int | None = None, align: int | None = None) -> None:
        """With sizes of pools, for each GPU, they stay as they are."""
        sizes = {"transcribe": transcribe, "align": align}
        chosen = {f"{name}_actor_size": size * gpus for name, size in sizes.items() if size}
        shares = {f"{name}_num_gpus": 0.1 for name, size in sizes.items() if size}
        node = Node(cpus=16 * gpus, gpus=gpus)
        settings = PoolSettings.model_validate(chosen | shares)
        specs = plan_pools([node], settings, {*COSTS, "write"}, 10**6, cross_attention=False, use_gpus=True)
        bundles = place(specs, [node])
        self._clock, self._gpus = Clock(), [Lock() for _ in bundles]
        self._spare = min(bundle.spare_gpus for bundle in bundles if bundle.gpus)
        self._places = {spec.name: bundles_of(spec, bundles) for spec in specs}
        self._specs = {spec.name: spec for spec in specs}
        self._actors = {name: [self._actor(name, i) for i in places] for name, places in self._places.items()}
        self._waiting = dict.fromkeys(COSTS, 0)
        self._scalers = {spec.name: Autoscaler(spec.slots, spec.size) for spec in specs if spec.surplus_num_gpus}
        self._in_flight = 0
        self._ended: list[float] = []

    def _actor(self, name: str, place: int) -> Actor:
        return Actor(self._clock, self._specs[name], self._gpus[place])

    def files_per_second(self) -> float:
        """Return how many files come through once the machine has had its time."""
        self._look()
        self._clock.run()
        return sum(when >= SETTLED_S for when in self._ended) / (END_S - SETTLED_S)

    def _look(self) -> None:
        self._assign()
        for name, scaler in self._scalers.items():
            actors, now = len(self._actors[name]), self._clock.now + 1
            if not scaler.should_grow(waiting=self._waiting[name], actors=actors, now=now, audio_left=lambda: 1e9):
                continue
            if self._spare < SURPLUS_NUM_GPUS:
                scaler.stopped = True
                continue
            self._spare = round(self._spare - SURPLUS_NUM_GPUS, 4)
            more = [self._actor(name, place) for place in self._places[name]]
            self._clock.after(START_S, partial(self._actors[name].extend, more))
        self._clock.after(1.0, self._look)

    def _assign(self) -> None:
        window = 2 * sum(self._specs[name].parallel * len(actors) for name, actors in self._actors.items())
        self._waiting["load audio"] += max(window - self._in_flight, 0)
        self._in_flight = max(window, self._in_flight)
        for name, actors in self._actors.items():
            while self._waiting[name] and any(actor.free_slots for actor in actors):
                self._waiting[name] -= 1
                max(actors, key=lambda actor: actor.free_slots).run(partial(self._finished, name))

    def _finished(self, name: str) -> None:
        if name in self._scalers:
            self._scalers[name].record(FILE_S)
        if following := dict(itertools.pairwise(COSTS)).get(name):
            self._waiting[following] += 1
        else:
            self._ended.append(self._clock.now)
            self._in_flight -= 1
        self._assign()


@pytest.mark.parametrize("gpus", [1, 2, 4])
def test_the_default_pools_reach_nine_tenths_of_the_best_fixed_ones_within_two_minutes(gpus: int) -> None:
    """On one GPU and on several."""
    fixed = [
        Machine(gpus, transcribe=transcribe, align=align).files_per_second()
        for transcribe, align in itertools.product((1, 2, 3), (1, 2))
    ]
    most = gpus / sum(device for _, device, _ in COSTS.values())
    assert min(fixed) < 0.85 * most
    assert 0.95 * most < max(fixed)
    assert Machine(gpus).files_per_second() > 0.9 * max(fixed)
