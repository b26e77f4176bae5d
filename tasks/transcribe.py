"""Stage transcribe: voice activity detection and batched Whisper, as WhisperX runs them."""

from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from tasks.audio import Audio, AudioFile, Samples, as_float
from tasks.faults import halving
from tasks.models import Lender, ModelOptions, share, warm
from tasks.options import Options
from tasks.results import stage_task
from tasks.revisions import revision

if TYPE_CHECKING:
    from whisperx.asr import FasterWhisperPipeline, WhisperModel

IGNORED_BY_WHISPERX = (
    "temperature",
    "temperature_increment_on_fallback",
    "compression_ratio_threshold",
    "logprob_threshold",
    "no_speech_threshold",
    "best_of",
    "condition_on_previous_text",
    "fp16",
)
"""Options that WhisperX 3.8.6 accepts and never reads (`whisperx.asr.WhisperModel.generate_segment_batched`)."""


class TranscribeOptions(Options):
    """Speech recognition. Names and defaults are those of the `whisperx` program."""

    model: str = Field("small", description="name of a Whisper model, a Hugging Face id or a folder (CTranslate2)")
    language: str | None = Field(None, description="language spoken, code or name (default: detected for each file)")
    task: Literal["transcribe", "translate"] = Field("transcribe", description="translate: to English, not aligned")
    batch_size: int = Field(8, ge=1, description="chunks of one file that are decoded together")
    compute_type: Literal["default", "float16", "float32", "int8"] = Field(
        "default", description="default: float16 on a GPU, float32 on a CPU"
    )
    vad_method: Literal["pyannote", "silero"] = Field("pyannote", description="voice activity detection")
    vad_onset: float = Field(0.500, gt=0, lt=1, description="onset threshold; lower it if speech is missed")
    vad_offset: float = Field(0.363, gt=0, lt=1, description="offset threshold; lower it if speech is missed")
    chunk_size: int = Field(30, ge=1, description="longest chunk of merged speech, in seconds")
    beam_size: int | None = Field(5, ge=1, description="beams in beam search")
    patience: float = Field(1.0, gt=0, description="beam search patience, https://arxiv.org/abs/2204.05424")
    length_penalty: float = Field(1.0, description="length penalty (alpha), https://arxiv.org/abs/1609.08144")
    suppress_tokens: str = Field("-1", description="token ids to suppress, comma-separated; -1: most symbols")
    suppress_numerals: bool = Field(False, description="spell numbers out, for aligners cannot time digits")
    initial_prompt: str | None = Field(None, description="text that the model takes as said before")
    hotwords: str | None = Field(None, description="hint phrases, such as rare names")
    temperature: float = Field(0, description="no effect in WhisperX 3.8.6")
    temperature_increment_on_fallback: float | None = Field(0.2, description="no effect in WhisperX 3.8.6")
    compression_ratio_threshold: float | None = Field(2.4, description="no effect in WhisperX 3.8.6")
    logprob_threshold: float | None = Field(-1.0, description="no effect in WhisperX 3.8.6")
    no_speech_threshold: float | None = Field(0.6, description="no effect in WhisperX 3.8.6")
    best_of: int | None = Field(5, description="no effect in WhisperX 3.8.6")
    condition_on_previous_text: bool = Field(False, description="no effect in WhisperX 3.8.6")
    fp16: bool = Field(True, description="no effect in WhisperX 3.8.6")
    print_progress: bool = Field(False, description="print WhisperX's progress of each file into the actors' logs")

    @field_validator("language")
    @classmethod
    def _known_language(cls, language: str | None) -> str | None:
        from whisperx.utils import LANGUAGES, TO_LANGUAGE_CODE

        if language is None:
            return None
        code: str = TO_LANGUAGE_CODE.get(language.lower(), language.lower())
        if code not in LANGUAGES:
            raise ValueError(f"Whisper knows no language {language!r}; give a code such as 'en' or a name")
        return code

    @field_validator("suppress_tokens")
    @classmethod
    def _token_ids(cls, tokens: str) -> str:
        try:
            [int(token) for token in tokens.split(",")]
        except ValueError:
            raise ValueError(f"{tokens!r} is not a comma-separated list of token ids") from None
        return tokens

    @model_validator(mode="before")
    @classmethod
    def _english_only_model(cls, values: Any) -> Any:
        if isinstance(values, dict) and str(values.get("model", "")).endswith(".en"):
            return {**values, "language": "en"}
        return values

    def identity(self, models: ModelOptions) -> dict[str, Any]:
        """Return what tells one transcript of the same audio from another: the options that change it, the weights."""
        options = self.model_dump(exclude={"model", "batch_size", "print_progress", *IGNORED_BY_WHISPERX})
        return {**options, "model": revision(self.model, models.model_dir, offline=models.model_cache_only)}

    def asr_options(self) -> dict[str, Any]:
        """Return what `whisperx.load_model` takes as `asr_options`."""
        return {
            "beam_size": self.beam_size,
            "patience": self.patience,
            "length_penalty": self.length_penalty,
            "initial_prompt": self.initial_prompt,
            "hotwords": self.hotwords,
            "suppress_tokens": [int(token) for token in self.suppress_tokens.split(",")],
            "suppress_numerals": self.suppress_numerals,
        }


@dataclass
class Transcript:
    """What was said: `result` is WhisperX's own, with `segments`; `language` is the true one of the file."""

    language: str
    result: dict[str, Any]


@warm("transcribe")
def whisper_model(options: TranscribeOptions, models: ModelOptions) -> "WhisperModel":
    """Load Whisper's weights; the threads of this process share them."""
    from whisperx.asr import WhisperModel

    device = models.torch_device()
    default = "float16" if device == "cuda" else "float32"
    return WhisperModel(
        options.model,
        device=device,
        compute_type=default if options.compute_type == "default" else options.compute_type,
        cpu_threads=share.threads or 4,  # 4 is the default of the `whisperx` program
        num_workers=share.parallel,
        download_root=models.model_dir,
        local_files_only=models.model_cache_only,
    )


@cache
def pipelines(options: TranscribeOptions, models: ModelOptions) -> "Lender[FasterWhisperPipeline]":
    """Return the pipelines of this process. A pipeline keeps state while it transcribes, so threads cannot share it."""

    def make() -> "FasterWhisperPipeline":
        import whisperx

        model = whisper_model(options, models)
        return whisperx.load_model(
            options.model,
            device=models.torch_device(),
            # A model that knows English alone cannot detect a language: WhisperX would fail on every file.
            language=options.language or (None if model.model.is_multilingual else "en"),
            asr_options=options.asr_options(),
            vad_model=_silero(options) if options.vad_method == "silero" else None,
            vad_method=options.vad_method,
            vad_options={
                "chunk_size": options.chunk_size,
                "vad_onset": options.vad_onset,
                "vad_offset": options.vad_offset,
            },
            model=model,
            task=options.task,
        )

    return Lender(make)


def _silero(options: TranscribeOptions) -> Any:
    from tasks.silero import PackagedSilero

    return PackagedSilero(options.vad_onset, options.chunk_size)


def transcribe_samples(samples: Samples, options: TranscribeOptions, models: ModelOptions) -> Transcript:
    """Return the transcript, before alignment, of 16 kHz mono samples, shape (samples,)."""
    audio = as_float(samples)
    if not audio.any():  # also no samples at all, at which the models fail
        return Transcript(options.language or "en", {"segments": [], "language": options.language or "en"})

    def run(pipeline: "FasterWhisperPipeline", batch_size: int) -> Any:
        tokenizer, decoding = pipeline.tokenizer, pipeline.options
        try:
            return pipeline.transcribe(
                audio, batch_size, chunk_size=options.chunk_size, print_progress=options.print_progress
            )
        finally:
            # transcribe() puts these back only when it succeeds; without this the next file gets this one's language.
            pipeline.tokenizer, pipeline.options = tokenizer, decoding

    with pipelines(options, models).lend() as pipeline:
        result = halving(options.batch_size, partial(run, pipeline))
    result["segments"] = [
        {key: value.item() if isinstance(value, np.generic) else value for key, value in segment.items()}
        for segment in result["segments"]
    ]
    return Transcript(result["language"], result)


@stage_task("transcribe", kept=True)
def transcribe(file: AudioFile, audio: Audio, options: TranscribeOptions, models: ModelOptions) -> Transcript:
    """Transcribe one file."""
    return transcribe_samples(audio.samples, options, models)
