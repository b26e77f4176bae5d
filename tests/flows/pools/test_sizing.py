"""flows/pools/sizing.py: pools that fit the machines."""

import pytest

from flows.config.parameters import Batch
from flows.config.pools import PoolSettings
from flows.pools.placement import place
from flows.pools.sizing import PoolSpec, plan_pools
from flows.prepared import all_by_cross_attention
from flows.services.ray_cluster.node import Node
from tasks.stage_table import STAGES

LAPTOP = Node(cpus=2, gpus=0)
GPU_BOX = Node(cpus=16, gpus=1)


def pools(
    *nodes: Node,
    align: bool = True,
    cross_attention: bool = False,
    diarize: bool = False,
    use_gpus: bool = True,
    needed: frozenset[str] = frozenset(),
    files: int = 1000,
    second_model: bool = False,
    **chosen: float,
) -> dict[str, PoolSpec]:
    """Return the pools for these machines, by name."""
    settings = PoolSettings.model_validate(chosen)
    wanted = {"load audio": True, "transcribe": True, "align": align, "diarize": diarize, "write": True}
    needed = needed or frozenset(stage for stage, used in wanted.items() if used)
    specs = plan_pools(
        list(nodes),
        settings,
        needed,
        files,
        cross_attention=cross_attention,
        use_gpus=use_gpus,
        second_model=second_model,
    )
    return {spec.name: spec for spec in specs}


def test_without_a_gpu_one_pool_fills_the_cores_with_threads() -> None:
    """A thread of one CPU for each core, and no more."""
    (pool,) = pools(LAPTOP, diarize=True).values()
    assert (pool.size, pool.parallel, pool.threads, pool.num_cpus, pool.num_gpus) == (1, 2, 1, 2, 0)
    assert pool.slots > pool.parallel


def test_a_few_files_have_the_cores_between_them() -> None:
    """One file on two cores: both; three on sixteen: four each, in one process; four are as many as any number."""
    (alone,) = pools(LAPTOP, files=1).values()
    assert (alone.size, alone.parallel, alone.threads, alone.num_cpus) == (1, 1, 2, 2)
    (three,) = pools(Node(cpus=16, gpus=0), files=3).values()
    assert (three.size, three.parallel, three.threads, three.num_cpus) == (1, 3, 4, 12)
    assert pools(Node(cpus=16, gpus=0), files=4) == pools(Node(cpus=16, gpus=0))


def test_many_cores_are_shared_out_to_several_processes() -> None:
    """Sixty-four cores: sixteen processes of four threads."""
    (pool,) = pools(Node(cpus=64, gpus=0)).values()
    assert pool.size * pool.parallel * pool.threads == 64
    assert pool.parallel == 4


def test_machines_of_different_sizes_are_filled_too() -> None:
    """Two cores, eight cores, and a head that offers none."""
    nodes = [Node(cpus=2, gpus=0), Node(cpus=8, gpus=0), Node(cpus=0, gpus=0)]
    (pool,) = pools(*nodes).values()
    assert pool.size * pool.parallel == 10


def test_one_gpu_is_shared_by_what_its_stages_cost() -> None:
    """And a fifth of it is for the actors that a pool gets on top."""
    shares = {name: (spec.size, spec.num_gpus) for name, spec in pools(GPU_BOX).items()}
    assert shares == {"load audio": (1, 0), "transcribe": (1, 0.4), "align": (1, 0.1)}
    shares = {name: (spec.size, spec.num_gpus) for name, spec in pools(GPU_BOX, diarize=True).items()}
    assert shares == {"load audio": (1, 0), "transcribe": (1, 0.4), "align": (1, 0.1), "diarize": (1, 0.3)}


@pytest.mark.parametrize(("cpus", "gpus", "size"), [(32, 8, 8), (16, 4, 4), (8, 4, 2), (2, 1, 1), (2, 2, 1)])
def test_each_gpu_has_a_process_that_decodes_as_far_as_there_are_cpus(cpus: int, gpus: int, size: int) -> None:
    """One for all would be what eight GPUs wait for; and what it takes must leave room for the others."""
    node = Node(cpus=cpus, gpus=gpus)
    planned = pools(node, diarize=True)
    assert planned["load audio"].size == size
    place(list(planned.values()), [node])


def test_several_files_at_a_time_are_transcribed_and_diarized_on_a_gpu() -> None:
    """So that their chunks and windows meet; on a CPU, where they are not mixed, each thread has its own."""
    planned = pools(GPU_BOX, diarize=True)
    assert {name: (spec.slots, spec.parallel) for name, spec in planned.items() if spec.num_gpus} == {
        "transcribe": (8, 4),
        "align": (3, 1),
        "diarize": (6, 4),
    }
    without = pools(GPU_BOX, diarize=True, transcribe_num_gpus=0, diarize_num_gpus=0)
    assert (without["transcribe"].parallel, without["diarize"].parallel) == (1, 1)


def test_pools_on_a_gpu_may_grow_unless_the_user_has_sized_them() -> None:
    """Nor do those without a GPU, whose threads have all cores from the beginning."""
    planned = pools(GPU_BOX, diarize=True, transcribe_actor_size=1, align_num_gpus=0.2)
    assert [name for name, spec in planned.items() if spec.surplus_num_gpus] == ["diarize"]
    assert not any(spec.surplus_num_gpus for spec in pools(LAPTOP, diarize=True).values())
    assert not any(spec.surplus_num_gpus for spec in pools(LAPTOP, align_actor_size=1).values())


def test_cross_attention_aligns_where_whisper_is_loaded() -> None:
    """The transcribe pool serves both stages."""
    planned = pools(GPU_BOX, cross_attention=True)
    assert planned["transcribe"].stages == ("transcribe", "align")
    assert "align" not in planned


def test_the_second_pass_has_the_pools_of_the_first() -> None:
    """With room for the weights of a second model; all of them still fit one GPU."""
    needed = frozenset(STAGES)
    planned = pools(GPU_BOX, needed=needed)
    assert planned["transcribe"].stages == ("transcribe", "transcribe again")
    assert planned["align"].stages == ("align", "align again")
    assert "check again" in planned["load audio"].stages
    shares = {name: spec.num_gpus for name, spec in pools(GPU_BOX, needed=needed, second_model=True).items()}
    assert shares == {"load audio": 0, "transcribe": 0.6, "align": 0.1, "diarize": 0.3}
    assert pools(GPU_BOX, needed=needed, second_model=True, transcribe_num_gpus=0.5)["transcribe"].num_gpus == 0.5


def test_a_second_pass_over_stored_transcripts_does_not_load_the_model_of_the_first() -> None:
    """Which may be another one; only Whisper's attention as the timing method needs it."""
    needed = frozenset(("load audio", "transcribe again", "align again", "check again", "write"))
    assert pools(GPU_BOX, needed=needed)["transcribe"].stages == ("transcribe again",)
    timed = pools(GPU_BOX, needed=needed, cross_attention=True)["transcribe"].stages
    assert timed == ("transcribe", "transcribe again", "align", "align again")


def test_what_the_user_chooses_is_kept() -> None:
    """Also on a machine without a GPU, where a chosen size brings a pool for each stage."""
    planned = pools(Node(cpus=8, gpus=0), transcribe_actor_size=2, transcribe_num_cpus=3)
    assert (planned["transcribe"].size, planned["transcribe"].num_cpus, planned["transcribe"].threads) == (2, 3, 3)
    assert planned["transcribe"].num_gpus == 0


def test_reservations_of_cpus_that_nobody_chose_shrink_to_fit() -> None:
    """Two CPUs beside a GPU are enough for the default pools."""
    planned = pools(Node(cpus=2, gpus=1), diarize=True).values()
    assert sum(spec.size * spec.num_cpus for spec in planned) <= 2


def test_there_are_pools_for_the_stages_that_are_needed_alone() -> None:
    """Outputs in another format take no GPU; another diarization takes no room for Whisper."""
    (writing,) = pools(GPU_BOX, needed=frozenset({"write"})).values()
    assert (writing.num_gpus, "write" in writing.stages) == (0, True)
    again = pools(GPU_BOX, needed=frozenset({"load audio", "diarize", "write"}))
    assert set(again) == {"load audio", "diarize"}
    (threads,) = pools(LAPTOP, needed=frozenset({"write"})).values()
    assert threads.stages == ("write",)


def test_word_timings_from_whisper_need_the_pool_that_holds_it() -> None:
    """Also where the transcript is there already."""
    again = pools(GPU_BOX, cross_attention=True, needed=frozenset({"load audio", "align", "write"}))
    assert again["transcribe"].stages == ("transcribe", "align")


@pytest.mark.parametrize(
    ("language", "align_model", "of_files", "expected"),
    [
        ("en", "whisper", [], True),
        ("en", "en=whisper", [], True),
        ("en", "en=whisper", ["de"], False),
        ("en", "en=whisper,de=whisper", ["de"], True),
        ("cy", None, [], True),  # WhisperX has no aligner of Welsh
        ("en", None, [], False),
        (None, "whisper", ["de"], True),
        (None, "en=whisper", ["en"], False),
    ],
)
def test_where_whisper_times_all_words_it_is_loaded_once(
    language: str | None, align_model: str | None, of_files: list[str], *, expected: bool
) -> None:
    """Whether it is named for all languages, or for those that there are."""
    batch = Batch.model_validate({"transcribe": {"language": language}, "align": {"align_model": align_model}})
    assert all_by_cross_attention(batch, of_files) is expected
    assert not all_by_cross_attention(batch.model_copy(update={"align": None}), of_files)
