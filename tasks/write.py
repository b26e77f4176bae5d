"""Stage write: the outputs of a file, each whole or not there at all."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from string import Formatter
from typing import Any, Literal, TypedDict

from pydantic import Field, field_validator

from tasks.diarize import Diarization, assign_speakers
from tasks.faults import FileFault
from tasks.formats import ALL, EXTENSIONS, encode
from tasks.formats.writers import Layout
from tasks.load_audio import AudioFile
from tasks.options import Options
from tasks.storage import io
from tasks.storage.filesystems import Print
from tasks.storage.io import print_of
from tasks.storage.results import stage_task
from tasks.storage.write_ahead import WriteAhead
from tasks.transcribe import Transcript

OTHERS = tuple(name for name in EXTENSIONS if name not in ALL)
LONGEST_LANGUAGE, LONGEST_FORMAT = "haw", max(EXTENSIONS.values(), key=len)
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

    def outputs(self, pattern: str, language: str) -> dict[str, str]:
        """Return where the outputs, by extension, of a file go whose pattern this is."""
        extensions = [EXTENSIONS[name] for name in self.formats()]
        return {extension: output_path(pattern, language, extension) for extension in extensions}

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
        path = template.format(relpath="", stem="stem", language="en", format="txt")
        if template.startswith(("/", "~")) or ".." in [*template.split("/"), *path.split("/")]:
            raise ValueError(f"{template!r} leads out of the output folder")
        return template


@dataclass(frozen=True)
class PreviousOutputs:
    """What earlier runs wrote in the outputs' places, by extension."""

    outputs: dict[str, Print] = field(default_factory=dict)
    same: frozenset[str] = frozenset()
    """Those that were written for the same content and options as now."""


class Facts(TypedDict):
    """What the report says of a file's outputs."""

    language: str
    speakers: int | None
    """How many were told apart; None without diarization."""
    aligned_by: str | None
    """What timed the words; None if nothing was to."""
    note: str | None
    """What else is worth a word, such as sound without any text."""


@dataclass(frozen=True)
class WriteResult:
    """The outputs of a file that is done, by extension; `changed` are those that somebody has changed since."""

    outputs: dict[str, Print]
    language: str
    changed: dict[str, Print] = field(default_factory=dict)
    speakers: int | None = None
    aligned_by: str | None = None
    note: str | None = None
    provisional: bool = False
    """What should have timed them could not be loaded: a later run is to try it again."""

    @property
    def facts(self) -> Facts:
        """What the report says of them."""
        return Facts(language=self.language, speakers=self.speakers, aligned_by=self.aligned_by, note=self.note)


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


def put(
    contents: dict[str, bytes],
    outputs: dict[str, str],
    previous: PreviousOutputs | None = None,
    note: Callable[[dict[str, bytes]], None] = lambda _: None,
) -> tuple[dict[str, Print], dict[str, Print]]:
    """Write each content, by its extension, to its place in `outputs`, after it was given to `note`.

    What is there is replaced where an earlier run wrote it, or where it is the beginning of the new one; it is left
    alone where it holds the same already, or where somebody has changed what `previous` wrote of the same content and
    options. Without `previous` it is replaced. Returns the prints of the outputs, and of those that are left alone
    because they were changed. Raises OutputNotOurs.
    """
    kept: dict[str, Print] = {}
    changed: dict[str, Print] = {}
    if previous is not None:
        for extension, output in outputs.items():
            found, to_keep = _found(output, contents[extension], previous, extension)
            if to_keep and found:
                (kept if to_keep == "written" else changed)[extension] = found
    new = {extension: contents[extension] for extension in outputs if extension not in kept | changed}
    if new:
        note(new)
        prints = io.put({outputs[extension]: content for extension, content in new.items()})
        kept |= {extension: prints[outputs[extension]] for extension in new}
    return {extension: kept[extension] for extension in outputs if extension in kept}, changed


def _found(
    output: str, new: bytes, previous: PreviousOutputs, extension: str
) -> tuple[Print | None, Literal["written", "changed"] | None]:
    """Return the print of what is in an output's place, and why it is to be left there, if it is."""
    found = print_of(output)
    if found is None or found == previous.outputs.get(extension):
        return found, None
    there = io.read(output)
    if there == new:
        return found, "written"
    if new.startswith(there):
        return found, None
    if extension in previous.same:
        return found, "changed"
    raise not_ours(output)


@stage_task("write", kept=False)  # whether a file is done is for its outputs to say
def write(
    file: AudioFile,
    pattern: str,
    transcript: Transcript,
    diarization: Diarization | None,
    options: WriteOptions,
    previous: PreviousOutputs | None,
    ahead: WriteAhead | None = None,
) -> WriteResult:
    """Join speakers and words of one file and write its outputs, where the pattern says, noted `ahead`."""
    if diarization is not None:
        assign_speakers(transcript, diarization)
    outputs = options.outputs(pattern, transcript.language)
    name = os.path.basename(output_path(pattern, transcript.language, "")).removesuffix(".")
    title = "".join(c if c.isprintable() else "_" for c in name)
    contents = {
        EXTENSIONS[name]: encode(name, transcript, diarization, options.layout(), title, file.duration_s)
        for name in options.formats()
    }
    speakers = {segment["speaker"] for segment in transcript.result["segments"] if "speaker" in segment}
    facts = Facts(
        language=transcript.language,
        speakers=None if diarization is None else len(speakers),
        aligned_by=transcript.aligned_by,
        note=transcript.note,
    )

    def note(new: dict[str, bytes]) -> None:
        if ahead:
            ahead.note(new, facts, provisional=transcript.provisional)

    written, changed = put(contents, outputs, previous, note)
    return WriteResult(written, changed=changed, provisional=transcript.provisional, **facts)
