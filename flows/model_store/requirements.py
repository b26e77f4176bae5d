"""The models that a batch needs."""

from collections.abc import Iterable
from dataclasses import dataclass

from tasks.align import AlignOptions
from tasks.alignment.selection import CROSS_ATTENTION
from tasks.diarize import DiarizeOptions
from tasks.models.registry import aligner_source, diarizer_sources, whisper_source
from tasks.models.sources import Source
from tasks.models.ungated import CAMPPLUS
from tasks.transcribe import TranscribeOptions


@dataclass(frozen=True)
class ModelRequirement:
    """A model, and the stage that loads it; for an aligner, its language."""

    stage: str
    source: Source
    language: str | None = None

    def __str__(self) -> str:
        """Say which model, and what for."""
        what = {
            "transcribe": "Whisper",
            "transcribe again": "Whisper of the second pass",
            "align": f"aligner of {self.language!r}",
            "diarize": "diarization",
        }
        return f"{self.source.name} ({what[self.stage]})"

    @property
    def alternative(self) -> str:
        """Return what to do where the Hub gates the model, besides getting access to it; empty: nothing."""
        return f"; --diarize_model {CAMPPLUS} needs no account" if self.stage == "diarize" else ""


def required_models(
    transcribe: TranscribeOptions,
    aligners: Iterable[tuple[str, str | None]],
    diarize: DiarizeOptions | None,
    model_dir: str | None,
    second_model: str | None = None,
) -> list[ModelRequirement]:
    """Return the models that are needed, with `aligners` as (language, name or None for WhisperX's own).

    Without those that packages ship (both VADs, the sentence data), and without the parts of a diarization pipeline
    that is itself not here yet.
    """
    found = [ModelRequirement("transcribe", whisper_source(transcribe.model))]
    if second_model:
        found.append(ModelRequirement("transcribe again", whisper_source(second_model)))
    for language, name in aligners:
        source = aligner_source(language, name)
        found += [ModelRequirement("align", source, language)] if source else []
    if diarize:
        found += [ModelRequirement("diarize", part) for part in diarizer_sources(diarize.diarize_model, model_dir)]
    return found


def aligners_for(
    languages: list[str], align: AlignOptions | None, transcribe: TranscribeOptions
) -> list[tuple[str, str | None]]:
    """Return (language, aligner's name or None for WhisperX's) for these languages and those that the options name.

    Without languages whose words Whisper itself times.
    """
    if align is None or align.aligners().get("") == CROSS_ATTENTION:
        return []
    asked = transcribe.fixed_language
    meant = [language or asked or "en" for language in align.aligners()]
    every = sorted({*languages, *meant, *filter(None, [asked])})
    named = [(language, align.named(language, asked)) for language in every]
    return [(language, name) for language, name in named if name != CROSS_ATTENTION]
