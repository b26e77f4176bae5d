"""Stage diarize: who speaks when, with a pyannote.audio pipeline, beside transcription and alignment."""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from prefect import task
from prefect.cache_policies import NO_CACHE
from pydantic import BaseModel, Field, model_validator

from tasks.audio import Audio, AudioFile, Samples, as_float
from tasks.models import Lender, ModelOptions, loads
from tasks.transcribe import Transcript

if TYPE_CHECKING:
    from whisperx.diarize import DiarizationPipeline


class DiarizeOptions(BaseModel, frozen=True, extra="forbid"):
    """Speaker diarization. Names and defaults are those of the `whisperx` program."""

    diarize_model: str = Field(
        "pyannote/speaker-diarization-community-1", description="pyannote pipeline: a Hugging Face id or a folder"
    )
    min_speakers: int | None = Field(None, ge=1, description="fewest speakers in a file")
    max_speakers: int | None = Field(None, ge=1, description="most speakers in a file")
    speaker_embeddings: bool = Field(False, description="add the speakers' embeddings to the json")

    @model_validator(mode="after")
    def _range(self) -> "DiarizeOptions":
        if self.min_speakers and self.max_speakers and self.min_speakers > self.max_speakers:
            raise ValueError(f"min_speakers {self.min_speakers} is more than max_speakers {self.max_speakers}")
        return self


@dataclass
class Diarization:
    """Speaker turns as (start in seconds, end in seconds, speaker), and an embedding for each speaker if asked for."""

    turns: list[tuple[float, float, str]]
    embeddings: dict[str, list[float]] | None = None


@cache
def diarizers(model: str, models: ModelOptions) -> "Lender[DiarizationPipeline]":
    """Return the pipelines of this process: pyannote's hold state while they run."""

    def make() -> "DiarizationPipeline":
        from whisperx.diarize import DiarizationPipeline

        loads["diarize"] += 1
        return DiarizationPipeline(model, device=models.torch_device(), cache_dir=models.model_dir)

    return Lender(make)


def diarize_samples(samples: Samples, options: DiarizeOptions, models: ModelOptions) -> Diarization:
    """Return the speaker turns of 16 kHz mono samples, shape (samples,)."""
    audio = as_float(samples)
    if not audio.any():
        return Diarization([])
    with diarizers(options.diarize_model, models).lend() as pipeline:
        found = pipeline(
            audio,
            min_speakers=options.min_speakers,
            max_speakers=options.max_speakers,
            return_embeddings=options.speaker_embeddings,
        )
    frame, embeddings = found if options.speaker_embeddings else (found, None)
    turns = zip(frame["start"].tolist(), frame["end"].tolist(), frame["speaker"].tolist(), strict=True)
    return Diarization(list(turns), embeddings)


def assign_speakers(transcript: Transcript, diarization: Diarization) -> None:
    """Label the transcript's words and segments in place with the speakers of the turns that they overlap."""
    import pandas as pd
    from whisperx.diarize import assign_word_speakers

    turns = pd.DataFrame(diarization.turns, columns=["start", "end", "speaker"])
    assign_word_speakers(turns, transcript.result, diarization.embeddings)


@task(name="diarize", task_run_name="{file.name}", cache_policy=NO_CACHE, persist_result=False)
def diarize(file: AudioFile, audio: Audio, options: DiarizeOptions, models: ModelOptions) -> Diarization:
    """Find the speaker turns of one file."""
    return diarize_samples(audio.samples, options, models)
