"""pyannote's pipelines of this process, and batch sizes that fit the GPU."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from tasks.audio.types import Samples
from tasks.diarization.voices import Turn, Voice, voices_of
from tasks.models.cache import load_counts
from tasks.models.instances import InstancePool
from tasks.models.options import ModelOptions
from tasks.models.registry import ensure_pipeline
from tasks.oom import with_smaller_batches

if TYPE_CHECKING:
    from pyannote.audio.pipelines.speaker_diarization import DiarizeOutput
    from whisperx.diarize import DiarizationPipeline


@cache
def diarizers(model: str, models: ModelOptions) -> "InstancePool[DiarizationPipeline]":
    """Return the pipelines of this process: pyannote's hold state while they run."""

    def make() -> "DiarizationPipeline":
        from whisperx.diarize import DiarizationPipeline

        from tasks.diarization.pyannote_internals import make_lean

        load_counts["diarize"] += 1
        folder = ensure_pipeline(model, models)
        pipeline = DiarizationPipeline(folder, device=models.torch_device(), cache_dir=models.model_dir)
        make_lean(pipeline.model)
        return pipeline

    return InstancePool(make)


def find_turns(
    pipelines: "InstancePool[DiarizationPipeline]", samples: Samples, **speakers: int | None
) -> "DiarizeOutput":
    """Return what pyannote.audio finds in 16 kHz mono samples, shape (samples,); `speakers` bound their number.

    Runs with smaller batches while the GPU has too little memory. Raises GpuOutOfMemory.
    """
    from tasks.diarization.pyannote_internals import in_memory

    def run(pipeline: "DiarizationPipeline", batch_size: int) -> "DiarizeOutput":
        with _at_most(pipeline.model, batch_size):
            found: DiarizeOutput = pipeline.model(in_memory(pipeline.model, samples), **speakers)
            return found

    with pipelines.acquire() as pipeline:
        largest = max(pipeline.model.segmentation_batch_size, pipeline.model.embedding_batch_size)
        return with_smaller_batches(largest, partial(run, pipeline))


def find_voices(
    pipelines: "InstancePool[DiarizationPipeline]", samples: Samples, turns: list[Turn]
) -> dict[str, Voice]:
    """Return the voices of the speakers of these turns, by the pipeline's own embedding model, if it has one.

    Raises GpuOutOfMemory.
    """
    from tasks.diarization.pyannote_internals import embedding_digest

    with pipelines.acquire() as pipeline:
        embed = getattr(pipeline.model, "_embedding", None)
        if embed is None:
            return {}
        model = embedding_digest(embed)
        return with_smaller_batches(1, lambda _: voices_of(turns, samples, embed, model))


@contextmanager
def _at_most(model: Any, batch_size: int) -> Iterator[None]:
    """Lower a pyannote pipeline's batch sizes for one file."""
    usual = model.segmentation_batch_size, model.embedding_batch_size
    model.segmentation_batch_size, model.embedding_batch_size = (min(size, batch_size) for size in usual)
    try:
        yield
    finally:
        model.segmentation_batch_size, model.embedding_batch_size = usual
