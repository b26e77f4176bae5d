"""Stage write: the files that WhisperX's own writers make, each whole or not there at all."""

import io
import os
from dataclasses import dataclass, field, replace
from string import Formatter
from typing import Any, Literal, get_args

from pydantic import Field, field_validator

from tasks import places
from tasks.audio import AudioFile
from tasks.diarize import Diarization, assign_speakers
from tasks.faults import FileFault
from tasks.options import Options
from tasks.places import Print, print_of
from tasks.results import stage_task
from tasks.transcribe import Transcript

OutputFormat = Literal["all", "srt", "vtt", "txt", "tsv", "json", "aud"]
LONGEST_LANGUAGE, LONGEST_FORMAT = "haw", "TextGrid"
"""What takes the most room in an output's name."""
IN_TEMPLATES = ("relpath", "stem", "language", "format")


class WriteOptions(Options):
    """Output files. Names and defaults are those of the `whisperx` program."""

    output_dir: str = Field(".", description="folder, or URL, for the outputs; it is made if it is missing")
    output_template: str = Field(
        "{relpath}/{stem}.{format}",
        description="path of an output in the output folder; there are {relpath}, the folder below the inputs' common "
        "one, {stem}, the name without extension, {language} and {format}",
    )
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

    def outputs(self, pattern: str, language: str) -> dict[str, str]:
        """Return where the outputs, by extension, of a file go whose pattern this is."""
        return {extension: output_path(pattern, language, extension) for extension in self.formats()}

    @field_validator("output_template")
    @classmethod
    def _template(cls, template: str) -> str:
        try:
            parts = list(Formatter().parse(template))
        except ValueError as error:
            raise ValueError(f"{template!r}: {error}") from None
        fields = [name for _, name, _, _ in parts if name is not None]
        odd = [name for name in fields if name not in IN_TEMPLATES] or any(spec or as_ for _, _, spec, as_ in parts)
        if odd or not {"stem", "format"} <= set(fields):
            raise ValueError(
                f"{template!r}: it needs {{stem}} and {{format}}, and may have {{relpath}} and {{language}}"
            )
        if template.startswith(("/", "~")) or ".." in template.split("/"):
            raise ValueError(f"{template!r} leads out of the output folder")
        return template


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


def output_path(pattern: str, language: str, extension: str) -> str:
    """Return the path of one output."""
    return pattern.format(language=language or "und", format=extension)


class OutputNotOurs(FileFault):
    """There is a file in an output's place that this program did not write, or that was changed since."""


def not_ours(path: str, owner: str | None = None) -> OutputNotOurs:
    """Return the error for an output's place that is taken; by another input, if there is an `owner`."""
    why = f"was written for {owner}" if owner else "was not written by whisperx-batch, or was changed since"
    return OutputNotOurs(
        f"{os.path.basename(path)} is there and {why}: move it away, use another --output_dir, or --overwrite"
    )


def render(transcript: Transcript, pattern: str, options: WriteOptions, earlier: Earlier | None = None) -> Written:
    """Write each format where the pattern says. If one cannot be made, none is written.

    What is there is replaced where an earlier run wrote it, or where it is the beginning of the new one; it is left
    alone where it holds the same already, or where somebody has changed what `earlier` wrote of the same content and
    options. Without `earlier` it is replaced. Raises OutputNotOurs.
    """
    outputs = options.outputs(pattern, transcript.language)
    contents = {extension: _encode(transcript, extension, options) for extension in outputs}
    found = {
        extension: "free" if earlier is None else _place(output, contents[extension], earlier, extension)
        for extension, output in outputs.items()
    }
    places.put({outputs[extension]: contents[extension] for extension, place in found.items() if place == "free"})
    prints = {extension: print_of(output) or (0, 0) for extension, output in outputs.items()}
    return Written(
        {extension: print_ for extension, print_ in prints.items() if found[extension] != "changed"},
        transcript.language,
        {extension: print_ for extension, print_ in prints.items() if found[extension] == "changed"},
    )


def _encode(transcript: Transcript, extension: str, options: WriteOptions) -> bytes:
    from whisperx.utils import get_writer

    text = io.StringIO()
    writer: Any = get_writer(extension, ".")
    writer.write_result(transcript.result, file=text, options=options.layout())
    return text.getvalue().encode()


def _place(output: str, new: bytes, earlier: Earlier, extension: str) -> Literal["free", "written", "changed"]:
    """Tell what is in an output's place: nothing to keep, the same already, or what is to be left there."""
    found = print_of(output)
    if found is None or found == earlier.outputs.get(extension):
        return "free"
    there = places.read(output)
    if there == new:
        return "written"
    if new.startswith(there):
        return "free"
    if earlier.same:
        return "changed"
    raise not_ours(output)


@stage_task("write", kept=False)  # whether a file is done is for its outputs to say
def write(
    file: AudioFile,
    pattern: str,
    transcript: Transcript,
    diarization: Diarization | None,
    options: WriteOptions,
    earlier: Earlier | None,
) -> Written:
    """Join speakers and words of one file and write its outputs, where the pattern says."""
    if diarization is not None:
        assign_speakers(transcript, diarization)
    transcript.result["language"] = transcript.language
    written = render(transcript, pattern, options, earlier)
    speakers = {segment["speaker"] for segment in transcript.result["segments"] if "speaker" in segment}
    return replace(written, speakers=None if diarization is None else len(speakers))
