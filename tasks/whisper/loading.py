"""Whisper's weights and WhisperX's pipelines, loaded once in a process for all files."""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from tasks.models.cache import cached_model
from tasks.models.compute_limits import compute_limits
from tasks.models.instances import InstancePool
from tasks.models.local_copies import ensure_local
from tasks.models.options import ModelOptions
from tasks.options import Options
from tasks.whisper.batching import Batches

if TYPE_CHECKING:
    from whisperx.asr import FasterWhisperPipeline, WhisperModel


class WhisperOptions(Options):
    """The options that a pipeline is loaded with; all others are set for each file."""

    model: str = Field("small", description="name of a Whisper model, a Hugging Face id or a folder (CTranslate2)")
    compute_type: Literal["default", "float16", "float32", "int8"] = Field(
        "default", description="default: float16 on a GPU, float32 on a CPU"
    )
    vad_method: Literal["pyannote", "silero"] = Field("pyannote", description="voice activity detection")
    vad_onset: float = Field(0.500, gt=0, lt=1, description="onset threshold; lower it if speech is missed")
    vad_offset: float = Field(0.363, gt=0, lt=1, description="offset threshold; lower it if speech is missed")
    chunk_size: int = Field(
        30, ge=1, le=30, description="longest chunk of merged speech, in seconds; Whisper hears 30 at a time"
    )


def whisper_model(options: WhisperOptions, models: ModelOptions) -> "WhisperModel":
    """Return Whisper's weights; the threads of this process share them."""
    return batches(options, models).model


def batches(options: WhisperOptions, models: ModelOptions) -> Batches:
    """Return Whisper's decoder, which all files of this process share."""
    return _batches(options.model, options.compute_type, models)


@cached_model("transcribe")
def _batches(model: str, compute_type: str, models: ModelOptions) -> Batches:
    from whisperx.asr import WhisperModel

    device = models.torch_device()
    default = "float16" if device == "cuda" else "float32"
    # A GPU decodes a batch in hardly more time than a chunk; further workers, streams of their own beside the same
    # weights, would take the chunks from its batches. On a CPU a batch takes as long as its chunks one by one, and in
    # float32 the last digits of avg_logprob vary with what is decoded beside: no file's must depend on the others.
    mixed = device == "cuda"
    threads = compute_limits.threads or 4  # 4 is the default of the `whisperx` program
    # In int8 no digit varies. Two halves of a batch side by side, with half the threads each, take less time than the
    # whole with all: for two chunks on two cores tiny 1.0 s instead of 1.8, base 2.0 (3.3), small 3.3 (4.1).
    pieces = 2 if compute_type == "int8" and not mixed and threads % 2 == 0 else 1
    weights = WhisperModel(
        ensure_local(model),
        device=device,
        compute_type=default if compute_type == "default" else compute_type,
        cpu_threads=threads // pieces,
        num_workers=1 if mixed else compute_limits.parallel * pieces,
        download_root=models.model_dir,
        local_files_only=models.model_cache_only,
    )
    return Batches(weights, mixed=mixed, pieces=pieces)


def pipelines(options: WhisperOptions, models: ModelOptions) -> "InstancePool[FasterWhisperPipeline]":
    """Return the pipelines of this process. Their VAD keeps state while it listens, so threads cannot share one."""
    loaded = options.model_dump(include=set(WhisperOptions.model_fields))
    return _pipelines(WhisperOptions(**loaded), models)


@cached_model("pipelines")
def _pipelines(options: WhisperOptions, models: ModelOptions) -> "InstancePool[FasterWhisperPipeline]":
    def make() -> "FasterWhisperPipeline":
        import whisperx

        device = models.torch_device()
        pipeline = whisperx.load_model(
            options.model,
            device=device,
            vad_model=_silero(options) if options.vad_method == "silero" else None,
            vad_method=options.vad_method,
            vad_options=options.model_dump(include={"chunk_size", "vad_onset", "vad_offset"}),
            model=whisper_model(options, models),
        )
        if options.vad_method == "pyannote" and device == "cpu" and compute_limits.threads > 1:
            from tasks.whisper.vad_windows import side_by_side

            side_by_side(pipeline.vad_model.vad_pipeline, compute_limits.threads)
        return pipeline

    return InstancePool(make)


def _silero(options: WhisperOptions) -> Any:
    from tasks.whisper.silero import PackagedSilero

    return PackagedSilero(options.vad_onset, options.chunk_size)
