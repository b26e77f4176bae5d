"""Which pools a batch needs on these machines."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from math import floor

from flows.config.pools import PoolSettings
from flows.services.ray_cluster.node import Node
from tasks.stage_table import STAGES

CORES_PER_PROCESS = 4
"""Cores that one process without a GPU fills with threads; beyond, contention for Python's lock costs more than the
memory of another process. Chosen, not measured: no more than two cores were available."""

GPU_SHARES = {"transcribe": 0.4, "align": 0.1, "diarize": 0.3}
"""The share of a GPU that an actor of each pool reserves by default. A minute of sound took an H100 0.03 s in the
aligner's network and 1.6 s in the diarizer's, which now run a third as often (benchmarks/RESULTS.md)."""
SECOND_MODEL_NUM_GPUS = 0.2
"""What an actor that transcribes reserves in addition for a second model: the 3.1 GB of large-v3 on a GPU of 16 GB."""
FILES_AT_A_TIME = {"transcribe": (8, 4), "diarize": (6, 4)}
"""Slots and threads that compute of an actor on a GPU whose batches several files share; see `PoolSpec`."""
SURPLUS_NUM_GPUS = 0.1
"""The share of a GPU that a surplus actor reserves: two fit on a GPU beside the default pools, five without speakers.
"""


@dataclass(frozen=True)
class PoolSpec:
    """A pool: its stages, its actors (`size`), and what each actor reserves and does at a time.

    `parallel` threads of an actor compute at a time, with `threads` CPU threads for each model (0: the libraries'
    default); of the `slots`, which Ray calls max_concurrency, the others overlap reading, bookkeeping and waiting for a
    GPU's decoder with that.
    """

    name: str
    stages: tuple[str, ...]
    size: int
    slots: int
    parallel: int = 1
    threads: int = 0
    num_cpus: float = 1.0
    num_gpus: float = 0.0
    surplus_num_gpus: float = 0.0
    """What each surplus actor reserves, which the pool gets while files wait for it; 0: it gets none."""

    def __str__(self) -> str:
        """Return the pool's line in the run's log."""
        each = f"{self.num_cpus:g} CPUs, {self.num_gpus:g} GPUs, {self.parallel} files at a time"
        return f"pool {self.name}: actors: {self.size}, each with {each}, for {', '.join(self.stages)}"


def plan_pools(
    nodes: list[Node],
    settings: PoolSettings,
    needed: Collection[str],
    files: int,
    *,
    cross_attention: bool,
    use_gpus: bool,
    second_model: bool = False,
) -> list[PoolSpec]:
    """Return the pools for the stages that so many files need.

    With GPUs, or once the user sizes a stage: a pool for each model stage. Without: one pool for all stages with a
    thread for each core, because one process imports and loads once, and its threads scale (12 minutes of speech on
    two cores: 53 s with one thread, 23 s with two). A few files divide the cores of the largest machine.

    An actor that transcribes on a GPU has eight files at a time: of clips of one chunk, four are decoded together while
    four threads find speech and compute features in the next. One that diarizes has six: the windows of four are
    computed together, and two are read or written. Chosen, not measured: with more, batches are fuller, and an actor
    that hangs is found later.
    """
    gpus = sum(node.gpus for node in nodes) if use_gpus else 0
    if not gpus and not settings.chosen():
        return [_all_stages(nodes, tuple(stage for stage in STAGES if stage in needed), files)]
    stages = _model_stages(needed, cross_attention=cross_attention)
    cpus = sum(node.cpus for node in nodes)
    pools = [_load_audio(settings, gpus, cpus, writes="diarize" not in needed)]
    pools += [_model_pool(name, stages[name], settings, gpus, second_model=second_model) for name in stages]
    chosen = {name for name in stages if getattr(settings, f"{name}_num_cpus") is not None}
    return _fit_cpus(pools, {"load audio", *chosen}, cpus)


def _model_stages(needed: Collection[str], *, cross_attention: bool) -> dict[str, tuple[str, ...]]:
    """Return the stages of each pool whose models are needed, by the pool's name."""
    align = "align", *(stage for stage in ("align again",) if stage in needed)
    loaded = {*needed, "transcribe"} if cross_attention else needed  # its attention times the words
    transcribe = tuple(stage for stage in ("transcribe", "transcribe again") if stage in loaded)
    stages = {
        "transcribe": (*transcribe, *align) if cross_attention else transcribe,
        "align": () if cross_attention else align,
        "diarize": ("diarize", "write"),  # speakers are joined where pyannote.audio is imported anyway
    }
    return {name: of_pool for name, of_pool in stages.items() if {*of_pool} & {*needed} - {"write"}}


def _load_audio(settings: PoolSettings, gpus: int, cpus: float, *, writes: bool) -> PoolSpec:
    """Return the pool that decodes and checks: an actor for each GPU, as far as it takes a quarter of the CPUs.

    Five minutes of sound take a core some 0.2 s to decode and 0.4 s to check, and a GPU less to transcribe and align.
    """
    num_cpus = settings.load_audio_num_tasks * settings.load_audio_num_cpus
    return PoolSpec(
        "load audio",
        ("load audio", "check", "check again", "write") if writes else ("load audio", "check", "check again"),
        size=max(1, min(gpus, floor(cpus / 4 / num_cpus))),
        slots=settings.load_audio_num_tasks + 1,
        parallel=settings.load_audio_num_tasks,
        num_cpus=num_cpus,
    )


def _model_pool(
    name: str, stages: tuple[str, ...], settings: PoolSettings, gpus: int, *, second_model: bool
) -> PoolSpec:
    size, num_gpus, num_cpus = (getattr(settings, f"{name}_{key}") for key in ("actor_size", "num_gpus", "num_cpus"))
    grows = bool(gpus and num_gpus is None and size is None)
    if num_gpus is None:
        num_gpus = GPU_SHARES[name] if gpus else 0.0
        if gpus and second_model and name == "transcribe":
            num_gpus = round(num_gpus + SECOND_MODEL_NUM_GPUS, 2)
    slots, parallel = FILES_AT_A_TIME.get(name, (3, 1)) if num_gpus else (3, 1)
    return PoolSpec(
        name,
        stages,
        size=size or gpus or 1,
        slots=slots,
        parallel=parallel,
        threads=0 if gpus else max(1, floor(num_cpus or 1)),
        num_cpus=1.0 if num_cpus is None else num_cpus,
        num_gpus=num_gpus,
        surplus_num_gpus=SURPLUS_NUM_GPUS if grows else 0.0,
    )


def _all_stages(nodes: list[Node], stages: tuple[str, ...], files: int) -> PoolSpec:
    # The size of process that leaves the fewest cores of these machines unused; of equal ones, the largest.
    def cores_used(parallel: int) -> int:
        return sum(int(node.cpus) // parallel * parallel for node in nodes)

    most = max(int(node.cpus) for node in nodes)
    if files < min(most, CORES_PER_PROCESS):
        size, parallel, threads = 1, files, min(most // files, CORES_PER_PROCESS)
    else:
        parallel = max(range(1, CORES_PER_PROCESS + 1), key=lambda parallel: (cores_used(parallel), parallel))
        size, threads = max(1, cores_used(parallel) // parallel), 1
    return PoolSpec(
        "all stages",
        stages,
        size=size,
        slots=parallel + 2,
        parallel=parallel,
        threads=threads,
        num_cpus=float(parallel * threads),
    )


def _fit_cpus(pools: list[PoolSpec], fixed: set[str], cpus: float) -> list[PoolSpec]:
    """Shrink the default CPU reservations until all fit: with a GPU the processes do not need whole cores."""
    open_ended = sum(pool.size * pool.num_cpus for pool in pools if pool.name not in fixed)
    left = cpus - sum(pool.size * pool.num_cpus for pool in pools if pool.name in fixed)
    if open_ended <= left or left <= 0:
        return pools
    scale = left / open_ended
    return [
        pool if pool.name in fixed else replace(pool, num_cpus=floor(pool.num_cpus * scale * 100) / 100)
        for pool in pools
    ]
