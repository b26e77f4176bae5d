"""Stage write: the files that WhisperX's own writers make, each whole or not there at all."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args
from uuid import uuid4

from prefect import task
from prefect.cache_policies import NO_CACHE
from pydantic import BaseModel, Field

from tasks.audio import AudioFile
from tasks.diarize import Diarization, assign_speakers
from tasks.transcribe import Transcript

OutputFormat = Literal["all", "srt", "vtt", "txt", "tsv", "json", "aud"]


class WriteOptions(BaseModel, frozen=True, extra="forbid"):
    """Output files. Names and defaults are those of the `whisperx` program."""

    output_dir: str = Field(".", description="folder for the outputs; it is made if it is missing")
    output_format: OutputFormat = Field("all", description="all: every format but aud")
    max_line_width: int | None = Field(None, ge=1, description="characters in a subtitle line")
    max_line_count: int | None = Field(None, ge=1, description="lines in a subtitle (needs max_line_width)")
    highlight_words: bool = Field(False, description="underline each word in srt and vtt as it is spoken")
    segment_resolution: Literal["sentence", "chunk"] = Field("sentence", description="no effect in WhisperX 3.8.6")

    def formats(self) -> list[str]:
        """Return the formats to write, by their extensions."""
        if self.output_format != "all":
            return [self.output_format]
        return [extension for extension in get_args(OutputFormat) if extension not in ("all", "aud")]


@dataclass(frozen=True)
class Written:
    """What the report says of a file that is done."""

    outputs: list[str]
    language: str


def render(transcript: Transcript, stem: Path, options: WriteOptions) -> list[Path]:
    """Write `stem` plus the extension of each format, over what is there. If one cannot be written, none is.

    Each is written beside its final name, made durable and renamed, so no reader ever sees a part of a file.
    """
    from whisperx.utils import get_writer

    layout = options.model_dump(include={"max_line_width", "max_line_count", "highlight_words"})
    stem.parent.mkdir(parents=True, exist_ok=True)
    drafts: dict[Path, Path] = {}
    try:
        for extension in options.formats():
            # A short name of its own: the final name with anything added could be too long for the file system.
            draft = stem.parent / f".whisperx-batch-{uuid4().hex}"
            drafts[stem.parent / f"{stem.name}.{extension}"] = draft
            with draft.open("x", encoding="utf-8") as file:
                writer: Any = get_writer(extension, str(stem.parent))
                writer.write_result(transcript.result, file=file, options=layout)
                file.flush()
                os.fsync(file.fileno())
        for final, draft in drafts.items():
            draft.replace(final)
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)
    return list(drafts)


@task(name="write", task_run_name="{file.name}", cache_policy=NO_CACHE, persist_result=False)
def write(
    file: AudioFile, stem: str, transcript: Transcript, diarization: Diarization | None, options: WriteOptions
) -> Written:
    """Join speakers and words of one file and write its outputs, whose paths begin with `stem`."""
    if diarization is not None:
        assign_speakers(transcript, diarization)
    transcript.result["language"] = transcript.language
    return Written([str(path) for path in render(transcript, Path(stem), options)], transcript.language)
