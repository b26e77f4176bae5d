"""flows/pools/nodes/planner.py: what each machine of a cluster gets."""

from collections import Counter

import pytest

from flows.config.pools import PoolSettings
from flows.pools.nodes.planner import NodePlanner
from flows.pools.placement import CannotBePlaced, place
from flows.pools.sizing import PoolSpec
from flows.services.ray_cluster.node import Node
from tasks.stage_table import STAGES

SMALL = Node(cpus=2, gpus=1)
LARGE = Node(cpus=16, gpus=4)
WITHOUT_GPU = Node(cpus=32, gpus=0)


def planner(device: str | None = None, **chosen: float) -> NodePlanner:
    """Return a planner for all stages of many files."""
    return NodePlanner(PoolSettings.model_validate(chosen), STAGES, lambda: 1000, cross_attention=False, device=device)


def planned(planner: NodePlanner, *nodes: Node) -> list[dict[str, PoolSpec]]:
    """Return the pools of each machine, by name, as one after the other gets them; all must fit."""
    taken: Counter[str] = Counter()
    plans = []
    for i, node in enumerate(nodes):
        specs = planner.specs(node, nodes[i:], taken)
        place(specs, [node])
        taken.update({spec.name: spec.size for spec in specs})
        plans.append({spec.name: spec for spec in specs})
    return plans


def test_every_machine_gets_what_it_would_get_by_itself() -> None:
    """So what fits on one fits on three, and a larger one gets more."""
    alone, *others = planned(planner(), SMALL, SMALL, SMALL)
    assert others == [alone, alone]
    assert set(alone) == {"load audio", "transcribe", "align", "diarize"}
    assert [each["transcribe"].size for each in planned(planner(), LARGE, SMALL)] == [4, 1]


def test_once_there_is_a_gpu_machines_without_one_get_nothing() -> None:
    """Their models would be slow; unless no stage is to use a GPU, or none is there."""
    plan = planner()
    planned(plan, SMALL)
    with pytest.raises(CannotBePlaced, match="more GPUs"):
        place(plan.specs(WITHOUT_GPU, [WITHOUT_GPU], Counter()), [WITHOUT_GPU])
    planned(planner(transcribe_num_gpus=0, align_num_gpus=0, diarize_num_gpus=0), SMALL, WITHOUT_GPU)
    (plan_without,) = planned(planner(device="cpu"), SMALL)
    assert set(plan_without) == {"all stages"}
    planned(planner(), WITHOUT_GPU, WITHOUT_GPU)


def test_machines_with_gpus_are_waited_for_if_the_device_is_cuda() -> None:
    """A head with CPUs, in a cluster that scales itself, does not do their work."""
    with pytest.raises(CannotBePlaced, match="more GPUs"):
        place(planner("cuda").specs(WITHOUT_GPU, [WITHOUT_GPU], Counter()), [WITHOUT_GPU])
    assert planner("cuda").wanted == {"CPU": 1, "GPU": 1}
    assert planner("cpu").wanted == {"CPU": 1}


@pytest.mark.parametrize(
    ("size", "nodes", "sizes"),
    [
        (4, [SMALL, SMALL, SMALL], [2, 1, 1]),
        (5, [LARGE, SMALL], [4, 1]),
        (1, [SMALL, SMALL], [1, 1]),
        (2, [LARGE], [2]),
    ],
)
def test_a_size_that_is_set_is_divided_over_the_machines(size: int, nodes: list[Node], sizes: list[int]) -> None:
    """By their GPUs; each has at least one, since a file stays on one machine."""
    plans = planned(planner(transcribe_actor_size=size, transcribe_num_gpus=0.2), *nodes)
    assert [each["transcribe"].size for each in plans] == sizes


def test_a_machine_that_joins_takes_what_those_that_have_gone_had() -> None:
    """Four actors were set: two of them are on machines that are still there."""
    (spec,) = [
        spec
        for spec in planner(transcribe_actor_size=4).specs(LARGE, [LARGE], Counter({"transcribe": 2}))
        if spec.name == "transcribe"
    ]
    assert spec.size == 2
