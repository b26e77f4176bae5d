"""The models that a batch needs."""

from collections.abc import Iterable
from dataclasses import dataclass

from tasks.align import CROSS_ATTENTION, AlignOptions, aligner_of
from tasks.diarize import DiarizeOptions
from tasks.named_models import aligner_source, diarizer_sources, whisper_source
from tasks.sources import Source
from tasks.transcribe import TranscribeOptions


@dataclass(frozen=True)
class Need:
    """A model, and the stage that loads it; for an aligner, its language."""

    stage: str
    source: Source
    language: str | None = None

    def __str__(self) -> str:
        """Say which model, and what for."""
        what = {"transcribe": "Whisper", "align": f"aligner of {self.language!r}", "diarize": "diarization"}
        return f"{self.source.name} ({what[self.stage]})"


def needs(
    transcribe: TranscribeOptions,
    aligners: Iterable[tuple[str, str | None]],
    diarize: DiarizeOptions | None,
    model_dir: str | None,
) -> list[Need]:
    """Return the models that are needed, with `aligners` as (language, name or None for WhisperX's own).

    Not those that packages ship: both VADs, the sentence data. Nor those that a diarization pipeline names which is
    itself not here yet.
    """
    found = [Need("transcribe", whisper_source(transcribe.model))]
    for language, name in aligners:
        source = aligner_source(language, name)
        found += [Need("align", source, language)] if source else []
    if diarize:
        found += [Need("diarize", part) for part in diarizer_sources(diarize.diarize_model, model_dir)]
    return found


def aligners_for(
    languages: list[str], align: AlignOptions | None, transcribe: TranscribeOptions
) -> list[tuple[str, str | None]]:
    """Return the aligner's name for each of these languages, and for that which `align_model` is meant for."""
    if align is None or align.align_model == CROSS_ATTENTION:
        return []
    meant = [transcribe.language or "en"] if align.align_model else []
    every = sorted({*languages, *meant, *filter(None, [transcribe.language])})
    return [(language, aligner_of(language, align, transcribe)) for language in every]
