"""Stage align: word timings, from WhisperX's forced alignment or from Whisper's own cross-attention."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Literal

from pydantic import Field, field_validator

from tasks.alignment.cross_attention import time_words
from tasks.alignment.selection import CROSS_ATTENTION, SEGMENTS, TimingMethod, select_timing_method
from tasks.audio.types import Audio, AudioFile, Samples, as_float
from tasks.channels.part_results import for_each_part
from tasks.languages import by_language
from tasks.models.compute_limits import compute_limits
from tasks.models.fingerprints import revision
from tasks.models.options import ModelOptions
from tasks.oom import with_smaller_batches
from tasks.options import Options
from tasks.storage.results import keep_no_result, releases, stage_task
from tasks.transcribe import TranscribeOptions, Transcript, of_parts
from tasks.transcribe_again import DecodedAgain
from tasks.whisper.loading import whisper_model

logger = logging.getLogger(__name__)


class AlignOptions(Options):
    """Word timings. Names and defaults are those of the `whisperx` program."""

    align_model: str | None = Field(
        None,
        description="aligner: a name of torchaudio or Hugging Face, a folder, or 'whisper' for timings from Whisper's "
        "own attention, which need no further model; by language: de=NAME,ja=FOLDER,pl=whisper (default: WhisperX's "
        "aligner of the language, or 'whisper' where it has none)",
    )
    interpolate_method: Literal["nearest", "linear", "ignore"] = Field(
        "nearest", description="how words that were not aligned get their times"
    )
    return_char_alignments: bool = Field(False, description="add the times of characters to the json")

    @field_validator("align_model")
    @classmethod
    def _names_languages(cls, align_model: str | None) -> str | None:
        by_language(align_model)  # raises ValueError
        return align_model

    def aligners(self) -> Mapping[str, str]:
        """Return `align_model` by language; the key of an aligner for no language in particular is ''."""
        return by_language(self.align_model)

    def named(self, language: str, asked: str | None) -> str | None:
        """Return the aligner that is named for a language.

        As in WhisperX, one that is named for none is that of the language `asked` for, or of English.
        """
        aligners = self.aligners()
        if language == (asked or "en") or aligners.get("") == CROSS_ATTENTION:
            return aligners.get("") or aligners.get(language)
        return aligners.get(language)

    def with_models(self, change: Callable[[str], str]) -> "AlignOptions":
        """Return the same options with each aligner's name changed."""
        kept = {CROSS_ATTENTION: CROSS_ATTENTION}  # also beside a folder of that name
        changed = {language: kept.get(name) or change(name) for language, name in self.aligners().items()}
        text = ",".join(f"{language}={name}" if language else name for language, name in changed.items())
        return self.model_copy(update={"align_model": text or None})

    def cache_inputs(self, models: ModelOptions) -> dict[str, Any]:
        """Return what an alignment depends on besides the transcript: the options, the weights, the releases.

        The default aligner of a language is the one that this version of WhisperX names.
        """
        weights = {
            language: name
            if name == CROSS_ATTENTION
            else revision(name, models.model_dir, offline=models.model_cache_only)
            for language, name in self.aligners().items()
        }
        return {**self.key_fields(), **releases("torch"), "align_model": weights}


def align_transcript(
    transcript: Transcript,
    samples: Samples,
    options: AlignOptions,
    transcribe: TranscribeOptions,
    models: ModelOptions,
) -> Transcript:
    """Return the transcript with `words` in each segment, split into sentences as WhisperX splits it.

    `transcribe` is the batch's own. Where nothing can time the words the transcript is returned without.
    """
    if not transcript.result["segments"]:
        return transcript
    named = options.named(transcript.language, transcribe.fixed_language)
    method = select_timing_method(transcript.language, named, transcribe, models)
    _warn(method, transcript.language, named)
    segments, result = transcript.result["segments"], transcript.result
    if method.name == CROSS_ATTENTION:
        model = whisper_model(transcribe, models)
        result = with_smaller_batches(
            1, lambda _: time_words(segments, transcript.language, as_float(samples), model, transcribe.task)
        )
    elif method.name != SEGMENTS:
        from tasks.alignment import forced

        aligner, metadata = method.aligner
        run = partial(
            forced.align,
            segments,
            aligner,
            metadata,
            interpolate_method=options.interpolate_method,
            return_char_alignments=options.return_char_alignments,
            print_progress=transcribe.print_progress,
        )
        with compute_limits.slots:
            # Segment by segment: there is no batch to halve.
            result = with_smaller_batches(1, lambda _: run(audio=as_float(samples), device=models.torch_device()))
    found = replace(transcript, result=result, aligned_by=method.name)
    return replace(found, provisional=bool(method.failed), broken=method.broken)


def _warn(method: TimingMethod, language: str, named: str | None) -> None:
    """Warn, in the file's log, if its words are not timed by the aligner that one would expect."""
    timed = {CROSS_ATTENTION: "Whisper's own attention times the words", SEGMENTS: "the text has its segments' times"}
    instead = timed.get(method.name, f"{method.name} times the words")
    for failed in method.failed:
        logger.warning("aligner of %r not loaded, %s: %s", language, instead, failed)
    if method.name == CROSS_ATTENTION and not named and not method.failed:
        logger.warning("WhisperX has no aligner of %r: %s; name one with --align_model", language, instead)


@stage_task("align", kept=True)
def align(
    file: AudioFile,
    transcript: Transcript,
    audio: Audio,
    options: AlignOptions,
    transcribe: TranscribeOptions,
    models: ModelOptions,
) -> Transcript:
    """Time the words of one file, each of its parts alone; `transcribe` is the batch's own."""
    if parts := transcript.parts:
        asked = options, transcribe, models
        timed = for_each_part(file, audio, lambda part: align_transcript(parts[part], audio.parts[part], *asked))
        aligned = replace(of_parts(timed, file.labels, audio), note=transcript.note)
    else:
        aligned = align_transcript(transcript, audio.samples, options, transcribe, models)
    return _kept_unless_provisional(aligned)


@stage_task("align again", kept=True)
def align_again(
    file: AudioFile,
    decoded: DecodedAgain,
    audio: Audio,
    options: AlignOptions,
    transcribe: TranscribeOptions,
    models: ModelOptions,
) -> Transcript:
    """Time the words of the second pass over one file, as `align` does those of the first; parts are not merged."""
    if untimed := decoded.transcript.parts:
        timed = [
            align_transcript(part, samples, options, transcribe, models)
            for part, samples in zip(untimed, audio.parts, strict=True)
        ]
        aligned = replace(decoded.transcript, provisional=any(part.provisional for part in timed), parts=timed)
    else:
        aligned = align_transcript(decoded.transcript, audio.samples, options, transcribe, models)
    return _kept_unless_provisional(aligned)


def _kept_unless_provisional(aligned: Transcript) -> Transcript:
    """Return a stage's result, which is not stored if a better aligner could not be loaded."""
    if aligned.provisional:
        keep_no_result()
    return aligned
