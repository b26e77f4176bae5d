"""pyannote's pipelines of this process, and batch sizes that fit the GPU."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tasks.audio.types import Samples
from tasks.diarization.mixed_windows import MixedWindows
from tasks.diarization.voices import Turn, Voice, voices_of
from tasks.models.cache import cached_model, load_counts
from tasks.models.instances import InstancePool
from tasks.models.options import ModelOptions
from tasks.models.registry import ensure_pipeline
from tasks.oom import with_smaller_batches

if TYPE_CHECKING:
    from pyannote.audio.pipelines.speaker_diarization import DiarizeOutput
    from pyannote.core import Annotation
    from whisperx.diarize import DiarizationPipeline


@cached_model("diarizers")
def diarizers(model: str, models: ModelOptions) -> "InstancePool[DiarizationPipeline]":
    """Return the pipelines of this process: pyannote's hold state while they run.

    On a GPU they share batches. On a CPU, where a larger batch is no faster, each computes its own.
    """
    mixed = MixedWindows() if models.torch_device() == "cuda" else None

    def make() -> "DiarizationPipeline":
        from whisperx.diarize import DiarizationPipeline

        from tasks.diarization.pyannote_internals import make_lean

        load_counts["diarize"] += 1
        folder = ensure_pipeline(model, models)
        pipeline = DiarizationPipeline(folder, device=models.torch_device(), cache_dir=models.model_dir)
        make_lean(pipeline.model, mixed)
        return pipeline

    return InstancePool(make)


def find_speakers(
    pipelines: "InstancePool[DiarizationPipeline]", samples: Samples, **speakers: int | None
) -> "tuple[DiarizeOutput, dict[str, Voice]]":
    """Return what pyannote.audio finds in 16 kHz mono samples, shape (samples,), and the voices of those who speak.

    `speakers` bound their number. Runs with smaller batches while the GPU has too little memory. Raises GpuOutOfMemory.
    """
    from tasks.diarization.pyannote_internals import in_memory

    with pipelines.acquire() as pipeline:
        model = pipeline.model

        def run(batch_size: int) -> "DiarizeOutput":
            with _at_most(model, batch_size):
                found: DiarizeOutput = model(in_memory(model, samples), **speakers)
                return found

        found = with_smaller_batches(max(model.segmentation_batch_size, model.embedding_batch_size), run)
        return found, find_voices(model, samples, turns_of(found.speaker_diarization))


def find_voices(model: Any, samples: Samples, turns: list[Turn]) -> dict[str, Voice]:
    """Return the voices of the speakers of these turns, by a pipeline's own embedding model, if it has one.

    Raises GpuOutOfMemory.
    """
    from tasks.diarization.pyannote_internals import embedding_digest

    if (embed := getattr(model, "_embedding", None)) is None:
        return {}
    weights = embedding_digest(embed)
    return with_smaller_batches(1, lambda _: voices_of(turns, samples, embed, weights))


def turns_of(annotation: "Annotation") -> list[Turn]:
    """Return the turns of an annotation, in order."""
    return [(turn.start, turn.end, speaker) for turn, _, speaker in annotation.itertracks(yield_label=True)]


@contextmanager
def _at_most(model: Any, batch_size: int) -> Iterator[None]:
    """Lower a pyannote pipeline's batch sizes for one file."""
    usual = model.segmentation_batch_size, model.embedding_batch_size
    model.segmentation_batch_size, model.embedding_batch_size = (min(size, batch_size) for size in usual)
    try:
        yield
    finally:
        model.segmentation_batch_size, model.embedding_batch_size = usual
