"""Per-file overrides of a batch's options: the columns of a manifest."""

import os
from typing import Any, TypeVar

from pydantic import Field, field_validator

from tasks.align import AlignOptions
from tasks.audio.tracks import AudioTrack
from tasks.audio.types import ChannelMode
from tasks.diarize import DiarizeOptions
from tasks.formats.provenance import Provenance
from tasks.options import Options
from tasks.storage.urls import options_shown
from tasks.transcribe import TranscribeOptions
from tasks.transcribe_again import SecondPassOptions

G = TypeVar("G", bound=Options)


class FileOverrides(Options):
    """The overrides of one file; None leaves an option as the batch has it."""

    language: str | None = Field(None, description="language spoken, code or name")
    audio_track: AudioTrack = Field(None, description="audio track: its number, from 1, or its language")
    channels: ChannelMode | None = Field(None, description="mix its channels, split them, or auto")
    channel_names: str | None = Field(None, description="who speaks in its channels, separated by commas")
    initial_prompt: str | None = Field(None, description="text that the model takes as said before")
    hotwords: str | None = Field(None, description="hint phrases, such as rare names")
    min_speakers: int | None = Field(None, ge=1, description="fewest speakers")
    max_speakers: int | None = Field(None, ge=1, description="most speakers")
    num_speakers: int | None = Field(None, ge=1, description="how many speakers there are")
    diarize: bool | None = Field(None, description="whether to label words and segments with speakers")
    diarize_channels: bool | None = Field(
        None, description="whether to find the speakers within its channels, or within the tracks of its group"
    )
    output: str | None = Field(None, description="name of its outputs in the output folder, without extension")

    @field_validator("output")
    @classmethod
    def _below_the_output_folder(cls, output: str | None) -> str | None:
        if output is not None and (output.startswith(("/", "~")) or ".." in output.split("/") or "\0" in output):
            raise ValueError(f"{output!r} leads out of the output folder")
        os.fsencode(output or "")  # raises ValueError
        return os.path.normpath(output.strip("/")) if output and output.strip("/. ") else None

    def transcribing(self, batch: TranscribeOptions) -> TranscribeOptions:
        """Return the batch's options of transcription with these overrides. Raises pydantic.ValidationError."""
        return self._over(batch)

    def diarizing(self, batch: DiarizeOptions | None) -> DiarizeOptions | None:
        """Return the batch's options of diarization with these overrides; None if the file is not diarized.

        `diarize_channels` asks for it, too. Raises pydantic.ValidationError.
        """
        asked = bool(self.diarize_channels) or (batch is not None and batch.by_default)
        if batch is None or not (asked if self.diarize is None else self.diarize):
            return None
        return self._over(batch)

    def diarizing_parts(self, batch: DiarizeOptions | None) -> bool:
        """Return whether the parts of the file are diarized, if it is transcribed in parts."""
        diarize = self.diarizing(batch)
        return diarize is not None and diarize.diarize_channels

    def made_with(
        self,
        transcribe: TranscribeOptions,
        align: AlignOptions | None,
        diarize: DiarizeOptions | None,
        second_pass: SecondPassOptions | None,
    ) -> Provenance:
        """Return what a transcript says of its origin, with the batch's options and these overrides."""
        used = (self.transcribing(transcribe), align, self.diarizing(diarize))
        changed = {name: value for group in used if group for name, value in group.changed().items()}
        if second_pass:
            changed["second_pass"] = second_pass.second_model or True
        used_options = options_shown({"model": transcribe.model, **changed})
        return Provenance(model=used_options.pop("model"), options=used_options)

    def _over(self, batch: G) -> G:
        own = {name: value for name, value in self if value is not None and name in type(batch).model_fields}
        if not own:
            return batch
        given: dict[str, Any] = {name: getattr(batch, name) for name in batch.model_fields_set}
        return type(batch).model_validate(given | own)


NO_OVERRIDES = FileOverrides()
