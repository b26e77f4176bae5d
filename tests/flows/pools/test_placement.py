"""flows/pools/placement.py: actors and shares of GPUs that find their place, or are refused."""

import pytest

from flows.config.pools import PoolSettings
from flows.pools.placement import Bundle, CannotBePlaced, place
from flows.pools.sizing import PoolSpec, plan_pools
from flows.services.ray_cluster.node import Node
from tasks.stage_table import STAGES

GPU_BOX = Node(cpus=16, gpus=1)


def pools(nodes: list[Node], *, diarize: bool = False, **chosen: float) -> list[PoolSpec]:
    """Return the pools for all stages, with or without diarization."""
    settings, needed = PoolSettings.model_validate(chosen), {*STAGES} - (set() if diarize else {"diarize"})
    return plan_pools(nodes, settings, needed, 1000, cross_attention=False, use_gpus=True)


def test_the_default_pools_fit_on_every_machine() -> None:
    """Also where two CPUs are all that a GPU has beside it, and where machines differ and a head offers nothing."""
    place(pools([Node(cpus=2, gpus=1)], diarize=True), [Node(cpus=2, gpus=1)])
    nodes = [Node(cpus=2, gpus=0), Node(cpus=8, gpus=0), Node(cpus=0, gpus=0)]
    (pool,) = pools(nodes)
    assert len(place([pool], nodes)) == pool.size


def test_cpus_must_be_where_the_gpus_are() -> None:
    """Another machine's do not help; and a pool may reserve none at all."""
    nodes = [Node(cpus=1, gpus=1), Node(cpus=32, gpus=0)]
    with pytest.raises(CannotBePlaced, match="more CPUs"):
        place(pools(nodes, transcribe_num_cpus=4), nodes)
    nothing = PoolSpec("align", ("align",), size=1, slots=1, num_cpus=0)
    assert place([nothing], nodes)[0].resources == {"CPU": 0.001}


def test_the_pools_of_every_gpu_fit_on_it() -> None:
    """Eight GPUs, each with its transcriber and aligner, on machines of four and none on the one without."""
    nodes = [Node(cpus=32, gpus=4), Node(cpus=32, gpus=4), Node(cpus=8, gpus=0)]
    bundles = place(pools(nodes), nodes)
    on_gpus = [sorted(bundle.pools) for bundle in bundles if bundle.gpus]
    assert on_gpus == [["align", "transcribe"]] * 8
    assert all((bundle.gpus, bundle.resources["GPU"]) == (0.5, 1) for bundle in bundles if bundle.gpus)


def test_pools_of_fixed_sizes_leave_the_rest_of_a_gpu_to_others() -> None:
    """Only what may grow reserves it whole."""
    shared, _ = place(pools([GPU_BOX], transcribe_actor_size=1, align_actor_size=1), [GPU_BOX])
    assert shared.resources["GPU"] == 0.5


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"transcribe_num_gpus": 2}, "more GPUs than the cluster has"),
        ({"align_actor_size": 3, "align_num_gpus": 0.5}, "more GPUs than the cluster has"),
        ({"transcribe_num_gpus": 1.5}, "a whole number or below 1"),
        ({"align_num_cpus": 9, "align_actor_size": 2}, "more CPUs than there are on the machines"),
    ],
)
def test_pools_that_can_never_be_placed_are_refused(chosen: dict[str, float], message: str) -> None:
    """Ray would leave them waiting without a word."""
    with pytest.raises(CannotBePlaced, match=message):
        place(pools([GPU_BOX], **chosen), [GPU_BOX])


def test_a_bundle_reserves_the_sum_of_its_actors() -> None:
    """Without the dust of binary fractions."""
    bundle = Bundle()
    for _ in range(3):
        bundle.add(PoolSpec("align", ("align",), size=3, slots=1, num_cpus=0.1, num_gpus=0.1))
    assert bundle.resources == {"CPU": 0.3, "GPU": 0.3}
