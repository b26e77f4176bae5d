"""Stage write: the outputs of a file, each whole or not there at all."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from tasks.audio import AudioFile
from tasks.diarize import Diarization, assign_speakers
from tasks.faults import FileFault
from tasks.files import new_draft, write_new
from tasks.formats import ALL, EXTENSIONS, encode
from tasks.formats.writers import Layout
from tasks.options import Options
from tasks.results import stage_task
from tasks.transcribe import Transcript

OTHERS = tuple(name for name in EXTENSIONS if name not in ALL)
Print = tuple[int, int]
"""Size and mtime_ns of an output as it was written: what tells it from one that somebody has changed."""


class WriteOptions(Options):
    """Output files. Names and defaults are those of the `whisperx` program."""

    output_dir: str = Field(".", description="folder for the outputs; it is made if it is missing")
    output_format: str = Field(
        "all", description=f"formats, with commas between: {', '.join(ALL)} (these five: all), {', '.join(OTHERS)}"
    )
    max_line_width: int | None = Field(None, ge=1, description="characters in a subtitle line")
    max_line_count: int | None = Field(None, ge=1, description="lines in a subtitle (needs max_line_width)")
    highlight_words: bool = Field(False, description="underline each word in srt and vtt as it is spoken")
    segment_resolution: Literal["sentence", "chunk"] = Field("sentence", description="no effect in WhisperX 3.8.6")

    @field_validator("output_format", mode="before")
    @classmethod
    def _known_formats(cls, names: Any) -> Any:
        """Take a list as well, which a settings file may hold."""
        listed = ",".join(map(str, names)) if isinstance(names, list | tuple) else str(names)
        formats = [name.strip() for name in listed.split(",")]
        for name in formats:
            if name != "all" and name not in EXTENSIONS:
                raise ValueError(f"there is no format {name!r}; there are {', '.join(['all', *EXTENSIONS])}")
        return ",".join(dict.fromkeys(formats))

    def formats(self) -> list[str]:
        """Return the formats to write."""
        named = [ALL if name == "all" else (name,) for name in self.output_format.split(",")]
        return list(dict.fromkeys(name for names in named for name in names))

    def layout(self) -> Layout:
        """Return the options of subtitles."""
        return Layout(
            max_line_width=self.max_line_width,
            max_line_count=self.max_line_count,
            highlight_words=self.highlight_words,
        )

    def outputs(self, stem: str) -> dict[str, Path]:
        """Return the outputs, by extension, of the file whose outputs begin with `stem`."""
        return {EXTENSIONS[name]: Path(f"{stem}.{EXTENSIONS[name]}") for name in self.formats()}


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


def put(
    contents: dict[str, bytes], stem: Path, earlier: Earlier | None = None
) -> tuple[dict[str, Print], dict[str, Print]]:
    """Write each content to `stem` plus its extension. If one cannot be written, none is.

    What is there is replaced where an earlier run wrote it, or where it is the beginning of the new one; it is left
    alone where it holds the same already, or where somebody has changed what `earlier` wrote of the same content and
    options. Without `earlier` it is replaced. Returns the prints of the outputs, and of those that are left alone
    because they were changed. Raises OutputNotOurs.
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    finals = {extension: Path(f"{stem}.{extension}") for extension in contents}
    places = {
        extension: _place(final, contents[extension], earlier, extension) if earlier else "free"
        for extension, final in finals.items()
    }
    drafts = {extension: new_draft(stem.parent) for extension, place in places.items() if place == "free"}
    try:
        for extension, draft in drafts.items():
            write_new(draft, contents[extension])
        for extension, draft in drafts.items():
            draft.replace(finals[extension])
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)
    prints = {extension: print_of(final) or (0, 0) for extension, final in finals.items()}
    changed = {extension: print_ for extension, print_ in prints.items() if places[extension] == "changed"}
    return {extension: print_ for extension, print_ in prints.items() if extension not in changed}, changed


def _place(final: Path, new: bytes, earlier: Earlier, extension: str) -> Literal["free", "written", "changed"]:
    """Tell what is in an output's place: nothing to keep, the same already, or what is to be left there."""
    found = print_of(final)
    if found is None or found == earlier.outputs.get(extension):
        return "free"
    there = final.read_bytes()
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
    title = "".join(c if c.isprintable() else "_" for c in Path(stem).name)
    contents = {
        EXTENSIONS[name]: encode(name, transcript, diarization, options.layout(), title, file.duration_s)
        for name in options.formats()
    }
    outputs, changed = put(contents, Path(stem), earlier)
    speakers = {segment["speaker"] for segment in transcript.result["segments"] if "speaker" in segment}
    return Written(outputs, transcript.language, changed, None if diarization is None else len(speakers))
