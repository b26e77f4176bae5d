"""Stage write: the files that WhisperX's own writers make, each whole or not there at all."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field

from tasks.audio import AudioFile
from tasks.diarize import Diarization, assign_speakers
from tasks.faults import FileFault
from tasks.files import durable_file, new_draft
from tasks.options import Options
from tasks.results import stage_task
from tasks.transcribe import Transcript

OutputFormat = Literal["all", "srt", "vtt", "txt", "tsv", "json", "aud"]
Print = tuple[int, int]
"""Size and mtime_ns of an output as it was written: what tells it from one that somebody has changed."""


class WriteOptions(Options):
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

    def layout(self) -> dict[str, Any]:
        """Return the options of WhisperX's writers."""
        return self.model_dump(include={"max_line_width", "max_line_count", "highlight_words"})

    def outputs(self, stem: str) -> dict[str, Path]:
        """Return the outputs, by extension, of the file whose outputs begin with `stem`."""
        return {extension: Path(f"{stem}.{extension}") for extension in self.formats()}


@dataclass(frozen=True)
class Earlier:
    """What earlier runs wrote in the outputs' places, by extension; `same`: for the same content and options as now."""

    outputs: dict[str, Print] = field(default_factory=dict)
    same: bool = False


@dataclass(frozen=True)
class Written:
    """The outputs of a file that is done, by extension; `changed` are those that somebody has changed since."""

    outputs: dict[str, Print]
    language: str
    changed: dict[str, Print] = field(default_factory=dict)
    speakers: int | None = None
    """How many were told apart; None without diarization."""


class OutputNotOurs(FileFault):
    """There is a file in an output's place that this program did not write, or that was changed since."""


def print_of(path: Path) -> Print | None:
    """Return the print of a file, None where there is none."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_size, status.st_mtime_ns


def not_ours(path: Path, owner: str | None = None) -> OutputNotOurs:
    """Return the error for an output's place that is taken; by another input, if there is an `owner`."""
    why = f"was written for {owner}" if owner else "was not written by whisperx-batch, or was changed since"
    return OutputNotOurs(f"{path.name} is there and {why}: move it away, use another --output_dir, or --overwrite")


def render(transcript: Transcript, stem: Path, options: WriteOptions, earlier: Earlier | None = None) -> Written:
    """Write `stem` plus the extension of each format. If one cannot be written, none is.

    What is there is replaced where an earlier run wrote it, or where it is the beginning of the new one; it is left
    alone where it holds the same already, or where somebody has changed what `earlier` wrote of the same content and
    options. Without `earlier` it is replaced. Raises OutputNotOurs.
    """
    from whisperx.utils import get_writer

    stem.parent.mkdir(parents=True, exist_ok=True)
    finals, drafts = options.outputs(str(stem)), {extension: new_draft(stem.parent) for extension in options.formats()}
    try:
        for extension, draft in drafts.items():
            with durable_file(draft) as file:
                writer: Any = get_writer(extension, str(stem.parent))
                writer.write_result(transcript.result, file=file, options=options.layout())
        places = {
            extension: "free" if earlier is None else _place(final, drafts[extension], earlier, extension)
            for extension, final in finals.items()
        }
        for extension, place in places.items():
            if place == "free":
                drafts[extension].replace(finals[extension])
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)
    prints = {extension: print_of(final) or (0, 0) for extension, final in finals.items()}
    return Written(
        {extension: print_ for extension, print_ in prints.items() if places[extension] != "changed"},
        transcript.language,
        {extension: print_ for extension, print_ in prints.items() if places[extension] == "changed"},
    )


def _place(final: Path, draft: Path, earlier: Earlier, extension: str) -> Literal["free", "written", "changed"]:
    """Tell what is in an output's place: nothing to keep, the same already, or what is to be left there."""
    found = print_of(final)
    if found is None or found == earlier.outputs.get(extension):
        return "free"
    there, new = final.read_bytes(), draft.read_bytes()
    if there == new:
        return "written"
    if new.startswith(there):
        return "free"
    if earlier.same:
        return "changed"
    raise not_ours(final)


@stage_task("write", kept=False)  # whether a file is done is for its outputs to say
def write(
    file: AudioFile,
    stem: str,
    transcript: Transcript,
    diarization: Diarization | None,
    options: WriteOptions,
    earlier: Earlier | None,
) -> Written:
    """Join speakers and words of one file and write its outputs, whose paths begin with `stem`."""
    if diarization is not None:
        assign_speakers(transcript, diarization)
    transcript.result["language"] = transcript.language
    written = render(transcript, Path(stem), options, earlier)
    speakers = {segment["speaker"] for segment in transcript.result["segments"] if "speaker" in segment}
    return replace(written, speakers=None if diarization is None else len(speakers))
