"""Stage align: word timings, from WhisperX's forced alignment or from Whisper's own cross-attention."""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from tasks.audio import Audio, AudioFile, Samples, as_float
from tasks.cross_attention import time_words
from tasks.faults import halving
from tasks.models import ModelOptions, share, warm
from tasks.named_models import refuse_download
from tasks.options import Options
from tasks.results import stage_task
from tasks.revisions import revision
from tasks.sentences import ensure_sentence_data
from tasks.transcribe import TranscribeOptions, Transcript

if TYPE_CHECKING:
    import torch

CROSS_ATTENTION = "whisper"
"""The `align_model` that takes word timings from the Whisper model, which needs no aligner."""


class AlignOptions(Options):
    """Word timings. Names and defaults are those of the `whisperx` program."""

    align_model: str | None = Field(
        None,
        description="aligner: a name of torchaudio or Hugging Face, a folder, or 'whisper' for timings from Whisper's "
        "own attention, which need no further model (default: WhisperX's aligner of the language)",
    )
    interpolate_method: Literal["nearest", "linear", "ignore"] = Field(
        "nearest", description="how words that were not aligned get their times"
    )
    return_char_alignments: bool = Field(False, description="add the times of characters to the json")

    def identity(self, models: ModelOptions) -> dict[str, Any]:
        """Return what tells one alignment of the same transcript from another: the options that change it, the weights.

        The default aligner of a language is the one that this version of WhisperX names.
        """
        named = self.align_model not in (None, CROSS_ATTENTION)
        model = revision(self.align_model or "", models.model_dir, offline=models.model_cache_only) if named else ""
        return {**self.model_dump(), "align_model": model or self.align_model}


@warm("align")
def aligner(language: str, model: str | None, models: ModelOptions) -> tuple["torch.nn.Module", dict[str, Any]]:
    """Load the aligner of a language; it keeps no state, so the threads of this process share it."""
    import whisperx

    ensure_sentence_data(language)
    if models.offline:
        refuse_download(language, model, models)
    return whisperx.load_align_model(  # type: ignore[no-any-return]
        language,
        models.torch_device(),
        model_name=model,
        model_dir=models.model_dir,
        model_cache_only=models.model_cache_only,
    )


def aligner_of(language: str, options: AlignOptions, transcribe: TranscribeOptions) -> str | None:
    """Return the aligner's name for a language: as in WhisperX, `align_model` is the one of the language asked for."""
    return options.align_model if language == (transcribe.language or "en") else None


def align_transcript(
    transcript: Transcript,
    samples: Samples,
    options: AlignOptions,
    transcribe: TranscribeOptions,
    models: ModelOptions,
) -> Transcript:
    """Return the transcript with `words` in each segment, split into sentences as WhisperX splits it."""
    if not transcript.result["segments"]:
        return transcript
    if options.align_model == CROSS_ATTENTION:
        return halving(1, lambda _: time_words(transcript, as_float(samples), transcribe, models))
    import whisperx

    model, metadata = aligner(transcript.language, aligner_of(transcript.language, options, transcribe), models)

    def run(_: int) -> Any:
        return whisperx.align(
            transcript.result["segments"],
            model,
            metadata,
            as_float(samples),
            models.torch_device(),
            interpolate_method=options.interpolate_method,
            return_char_alignments=options.return_char_alignments,
            print_progress=transcribe.print_progress,
        )

    with share.computing:
        # WhisperX aligns segment by segment: there is no batch to halve.
        return Transcript(transcript.language, halving(1, run))


@stage_task("align", kept=True)
def align(
    file: AudioFile,
    transcript: Transcript,
    audio: Audio,
    options: AlignOptions,
    transcribe: TranscribeOptions,
    models: ModelOptions,
) -> Transcript:
    """Time the words of one file."""
    return align_transcript(transcript, audio.samples, options, transcribe, models)
