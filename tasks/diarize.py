"""Stage diarize: who speaks when, with a pyannote.audio pipeline, beside transcription and alignment."""

from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from tasks.audio.types import Audio, AudioFile, Samples
from tasks.channels.part_results import for_each_part
from tasks.channels.speakers import label_within
from tasks.diarization.labels import label_speakers
from tasks.diarization.loading import diarizers, find_speakers, turns_of
from tasks.diarization.voices import Turn, Voice
from tasks.models.fingerprints import revision
from tasks.models.options import ModelOptions
from tasks.models.registry import diarizer_parts
from tasks.options import NotInKey, Options
from tasks.storage.results import releases, stage_task
from tasks.transcribe import Transcript


class DiarizeOptions(Options):
    """Speaker diarization. Names and defaults are those of the `whisperx` program."""

    diarize_model: str = Field(
        "pyannote/speaker-diarization-community-1",
        description="pyannote pipeline: a Hugging Face id, a folder, or campplus, which needs no account",
    )
    num_speakers: int | None = Field(None, ge=1, description="exact number of speakers in a file, where it is known")
    min_speakers: int | None = Field(None, ge=1, description="fewest speakers in a file")
    max_speakers: int | None = Field(None, ge=1, description="most speakers in a file")
    by_default: Annotated[bool, NotInKey()] = Field(
        True, description="all files, and not only those of which a manifest says so"
    )
    diarize_channels: Annotated[bool, NotInKey(unless="diarize_channels")] = Field(
        False,
        description="find the speakers within each channel that is split, and within each track of a group, too "
        "(default: each is one speaker)",
    )
    speaker_embeddings: bool = Field(False, description="add the speakers' embeddings to the json")
    exclusive_speakers: Annotated[bool, NotInKey(unless="exclusive_speakers")] = Field(
        False,
        description="turns that do not overlap: where several speak at once, only the most active one",
    )

    @model_validator(mode="after")
    def _range(self) -> "DiarizeOptions":
        if self.min_speakers and self.max_speakers and self.min_speakers > self.max_speakers:
            raise ValueError(f"min_speakers {self.min_speakers} is more than max_speakers {self.max_speakers}")
        if self.num_speakers:
            if self.min_speakers and self.num_speakers < self.min_speakers:
                raise ValueError(f"num_speakers {self.num_speakers} is less than min_speakers {self.min_speakers}")
            if self.max_speakers and self.num_speakers > self.max_speakers:
                raise ValueError(f"num_speakers {self.num_speakers} is more than max_speakers {self.max_speakers}")
        return self

    def cache_inputs(self, models: ModelOptions) -> dict[str, Any]:
        """Return what a diarization depends on besides the audio: the options, the weights, the releases."""
        parts = diarizer_parts(self.diarize_model, models.model_dir, offline=models.model_cache_only)
        made_with = releases("pyannote-audio", "torch")
        return {**self.cache_inputs_without_parts(models), **made_with, **({"parts": parts} if parts else {})}

    def cache_inputs_without_parts(self, models: ModelOptions) -> dict[str, Any]:
        """Return the same as version 0.1 had it: a pipeline of the Hub counted by its config.yaml alone."""
        model = revision(self.diarize_model, models.model_dir, offline=models.model_cache_only)
        return {**self.key_fields(), "diarize_model": model}


@dataclass
class Diarization:
    """Speaker turns as (start in seconds, end in seconds, speaker), and an embedding for each speaker if asked for.

    `voices` are those of the speakers who say enough alone; None in results of version 0.2 and earlier.
    """

    turns: list[Turn]
    embeddings: dict[str, list[float]] | None = None
    voices: dict[str, Voice] | None = None
    provisional: ClassVar[bool] = False


def diarize_samples(samples: Samples, options: DiarizeOptions, models: ModelOptions) -> Diarization:
    """Return the speaker turns of 16 kHz mono samples, shape (samples,)."""
    if not samples.any():
        return Diarization([])
    found, voices = find_speakers(
        diarizers(options.diarize_model, models),
        samples,
        num_speakers=options.num_speakers,
        min_speakers=options.min_speakers,
        max_speakers=options.max_speakers,
    )
    all_turns = found.speaker_diarization
    chosen = found.exclusive_speaker_diarization if options.exclusive_speakers else all_turns
    embeddings = None
    if options.speaker_embeddings and found.speaker_embeddings is not None:
        embeddings = dict(zip(all_turns.labels(), found.speaker_embeddings.tolist(), strict=True))
    return Diarization(turns_of(chosen), embeddings, voices)


def assign_speakers(transcript: Transcript, diarization: Diarization) -> None:
    """Label the transcript's words and segments in place with the speakers of the turns that they overlap."""
    label_speakers(diarization.turns, transcript.result, diarization.embeddings)
    if "word_segments" in transcript.result:  # after `whisperx.align` the same objects; in a stored result copies
        words = [word for segment in transcript.result["segments"] for word in segment["words"]]
        transcript.result["word_segments"] = words


def _of_parts(parts: list[Diarization], file: AudioFile, audio: Audio) -> Diarization:
    """Return the diarization of a file from those of its parts, at their times in the recording."""
    turns: list[Turn] = []
    embeddings, voices = {}, {}
    for part, offset_s, found in zip(file.labels, audio.offsets_s, parts, strict=True):
        turns += [(start + offset_s, end + offset_s, label_within(part, who)) for start, end, who in found.turns]
        for speaker, embedding in (found.embeddings or {}).items():
            embeddings[label_within(part, speaker)] = embedding
        for speaker, voice in (found.voices or {}).items():
            start, end = voice.clip
            voices[label_within(part, speaker)] = replace(voice, clip=(start + offset_s, end + offset_s))
    return Diarization(turns, embeddings or None, voices)


@stage_task("diarize", kept=True)
def diarize(file: AudioFile, audio: Audio, options: DiarizeOptions, models: ModelOptions) -> Diarization:
    """Find the speaker turns of one file; where it has parts, none, or those in each part if that is asked for."""
    if not audio.parts:
        return diarize_samples(audio.samples, options, models)
    if not options.diarize_channels:
        return Diarization([])
    parts = for_each_part(file, audio, lambda part: diarize_samples(audio.parts[part], options, models))
    return _of_parts(parts, file, audio)
