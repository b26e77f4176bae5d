"""Stage transcribe again: the second pass, which decodes only the stretches that the check doubts."""

from dataclasses import dataclass
from typing import Any

from pydantic import Field

from tasks.audio.types import SAMPLE_RATE, Audio, AudioFile, as_float
from tasks.models.fingerprints import revision
from tasks.models.options import ModelOptions
from tasks.oom import with_smaller_batches
from tasks.options import Options
from tasks.parts.separate import Part, parts_of
from tasks.quality.verdict import Quality
from tasks.second_pass.stretches import Stretch, leave_excess, stretches_of
from tasks.storage.results import keep_no_result, releases, stage_task
from tasks.transcribe import TranscribeOptions, Transcript
from tasks.whisper.loading import whisper_model

RULES = 1
"""Raise it when the second pass decodes, or takes, something else of the same file."""


class SecondPassOptions(Options):
    """The second pass over stretches that the check doubts."""

    second_model: str | None = Field(
        None,
        description="Whisper model of the second pass, such as large-v3 after turbo (default: that of --model); naming "
        "one asks for the second pass",
    )

    def model_after(self, first: TranscribeOptions) -> TranscribeOptions:
        """Return the options of the first pass with the model of the second."""
        return first.model_copy(update={"model": self.second_model}) if self.second_model else first

    def second_inputs(self, first: TranscribeOptions, models: ModelOptions) -> dict[str, Any]:
        """Return what the second pass depends on besides the audio, the first transcript and its check."""
        model = revision(self.model_after(first).model, models.model_dir, offline=models.model_cache_only)
        return {"model": model, **releases("faster-whisper"), "rules": RULES}


@dataclass
class DecodedAgain:
    """The stretches of a file that are in doubt, with the text of the second pass in this language."""

    language: str
    stretches: list[Stretch]
    parts: "list[DecodedAgain] | None" = None
    """Those of its channels or tracks, by their own time, if they were transcribed apart: then they have them all."""

    @property
    def transcript(self) -> Transcript:
        """The text of all stretches, before alignment."""
        segments = [
            {"text": each.text, "start": each.start, "end": each.end, "avg_logprob": each.avg_logprob}
            for stretch in self.stretches
            for each in stretch.decoded
        ]
        parts = [part.transcript for part in self.parts] if self.parts else None
        return Transcript(self.language, {"segments": segments, "language": self.language}, parts=parts)


def decode_again(
    transcript: Transcript,
    quality: Quality,
    audio: Audio,
    first: TranscribeOptions,
    options: SecondPassOptions,
    models: ModelOptions,
    labels: tuple[str, ...] = (),
) -> DecodedAgain:
    """Return the stretches of a recording that are in doubt, with what is said in them.

    `labels` are those of the speakers of its parts, if it has any.
    """
    parts = parts_of(transcript, audio, labels)
    again = [_in_doubt(part, quality) for part in parts]
    leave_excess(stretch for each in again for stretch in each.stretches)
    for part, each in zip(parts, again, strict=True):
        if each.stretches:
            _decode(each, part, first, options, models)
    return DecodedAgain(transcript.language, [], again) if transcript.parts else again[0]


def _in_doubt(part: Part, quality: Quality) -> DecodedAgain:
    """Return the stretches of a part that are in doubt, without text."""
    findings = [each.moved(-part.offset_s) for each in quality.findings if each.speaker == part.label]
    stretches = stretches_of(findings, part.segments, len(part.samples) / SAMPLE_RATE)
    return DecodedAgain(part.transcript.language, stretches)


def _decode(
    again: DecodedAgain, part: Part, first: TranscribeOptions, options: SecondPassOptions, models: ModelOptions
) -> None:
    """Set what is said in the stretches of a part, or why they are left as they are, and the language."""
    from tasks.second_pass.decoding import decode_stretches, language_of

    audio, model = as_float(part.samples), whisper_model(options.model_after(first), models)
    multilingual = model.model.is_multilingual
    if multilingual and not part.segments and not first.fixed_language:  # the language of no text is a mere default
        again.language = with_smaller_batches(1, lambda _: language_of(again.stretches, audio, model))
    if multilingual or again.language == "en":
        with_smaller_batches(1, lambda _: decode_stretches(again.stretches, audio, again.language, first, model))
    else:
        for stretch in again.stretches:
            stretch.left = "the model of the second pass knows English alone"


@stage_task("transcribe again", kept=True)
def transcribe_again(
    file: AudioFile,
    audio: Audio,
    transcript: Transcript,
    quality: Quality,
    transcribe: TranscribeOptions,
    options: SecondPassOptions,
    models: ModelOptions,
) -> DecodedAgain:
    """Decode again what is in doubt in one file; `transcribe` is the file's own."""
    if transcript.provisional:
        keep_no_result()
    return decode_again(transcript, quality, audio, transcribe, options, models, file.labels)
