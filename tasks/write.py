"""Stage write: the outputs of a file, each whole or not there at all."""

import os
from dataclasses import asdict, replace
from string import Formatter
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from tasks.audio.types import AudioFile
from tasks.channels.speakers import label_parts, names_within, to_label, turns_in
from tasks.check import SecondPass
from tasks.diarize import Diarization, assign_speakers
from tasks.formats import ALL, EXTENSIONS, NOTHING_KNOWN, encode
from tasks.formats.html.recording import Recording
from tasks.formats.provenance import Provenance
from tasks.formats.subtitles.rules import Rules, parse
from tasks.formats.writers import Layout
from tasks.options import Options
from tasks.people.labels import Naming, names_of, rename
from tasks.people.matching import Match
from tasks.people.output_keys import outputs_key
from tasks.quality.verdict import Quality, with_names
from tasks.storage.outputs import OutputPath, PreviousOutputs, write_outputs
from tasks.storage.results import stage_task
from tasks.storage.write_ahead import WriteAhead
from tasks.transcribe import Transcript
from tasks.written import WriteResult, facts_of

OTHERS = tuple(name for name in EXTENSIONS if name not in ALL)
LONGEST_LANGUAGE, LONGEST_FORMAT = "haw", max(EXTENSIONS.values(), key=len)
"""The longest values in an output's name."""
RULES = ", ".join(f"{name}={value:g}" for name, value in asdict(Rules()).items())
IN_TEMPLATES = ("relpath", "stem", "language", "format")
SEVERAL = Recording(problem="each speaker has a recording, and this page plays one")


class WriteOptions(Options):
    """Output files. Names and defaults are those of the `whisperx` program."""

    output_dir: str = Field(".", description="folder, or URL, for the outputs; it is made if it is missing")
    output_template: str = Field(
        "{relpath}/{stem}.{format}",
        description="path of an output in the output folder; there are {relpath}, the folder below the inputs' common "
        "one, {stem}, the name without extension, {language} and {format}",
    )
    output_format: str = Field(
        "all", description=f"formats, separated by commas: {', '.join(ALL)} (these five: all), {', '.join(OTHERS)}"
    )
    max_line_width: int | None = Field(None, ge=1, description="characters in a subtitle line")
    max_line_count: int | None = Field(None, ge=1, description="lines in a subtitle (needs max_line_width)")
    highlight_words: bool = Field(False, description="underline each word in srt and vtt as it is spoken")
    segment_resolution: Literal["sentence", "chunk"] = Field("sentence", description="no effect in WhisperX 3.8.6")
    subtitles: str | None = Field(
        None,
        description="'readable': srt, vtt, ass and ttml have cues cut at sentences and phrases that stay long enough "
        f"to be read; with other limits: 'readable,max_cps=20' ({RULES}; default: cut as WhisperX does)",
    )
    speaker_labels: Literal["prefix", "voice", "none"] = Field(
        "prefix",
        description="speakers in subtitles: prefix, [SPEAKER_00]: before the text, as in WhisperX; voice, by the "
        "format's own means (<v SPEAKER_00> in vtt, agents in ttml; srt and scc have none and keep the prefix); none",
    )
    provenance: bool = Field(
        False,
        description="say in vtt, ass, ttml, json, docx, md, html and eaf which recording, model, program and options "
        "made it",
    )

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

    @field_validator("subtitles")
    @classmethod
    def _known_rules(cls, subtitles: str | None) -> str | None:
        if subtitles is not None:
            parse(subtitles)  # raises ValueError
        return subtitles

    @model_validator(mode="after")
    def _one_layout(self) -> "WriteOptions":
        for name in ("highlight_words", "max_line_count", "max_line_width"):
            if self.subtitles is not None and (value := getattr(self, name)):
                instead = f", or set subtitles to {self.subtitles},{name}={value}" if name != "highlight_words" else ""
                raise ValueError(f"{name} lays out WhisperX's subtitles, not readable ones: leave it out{instead}")
        return self

    def formats(self) -> list[str]:
        """Return the formats to write."""
        named = [ALL if name == "all" else (name,) for name in self.output_format.split(",")]
        return list(dict.fromkeys(name for names in named for name in names))

    def layout(self) -> Layout:
        """Return how outputs are laid out: what changes them besides the transcript."""
        layout = Layout(
            max_line_width=self.max_line_width, max_line_count=self.max_line_count, highlight_words=self.highlight_words
        )
        # Only where they are set: this is in the ledger's keys of outputs that earlier versions wrote.
        if self.subtitles is not None:
            layout["readable"] = parse(self.subtitles)
        if self.speaker_labels != "prefix":
            layout["speaker_labels"] = self.speaker_labels
        if self.provenance:
            layout["provenance"] = True
        return layout

    def outputs(self, output: OutputPath, language: str) -> dict[str, str]:
        """Return the paths of a file's outputs, by extension."""
        extensions = [EXTENSIONS[name] for name in self.formats()]
        return {extension: output.render(language, extension) for extension in extensions}

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
            raise ValueError(f"{template!r}: it needs {{stem}} and {{format}}; it may have {{relpath}}, {{language}}")
        path = template.format(relpath="", stem="stem", language="en", format="txt")
        if template.startswith(("/", "~")) or ".." in [*template.split("/"), *path.split("/")]:
            raise ValueError(f"{template!r} leads out of the output folder")
        return template


@stage_task("write", kept=False)  # its outputs themselves show whether a file is done
def write(
    file: AudioFile,
    output: OutputPath,
    transcript: Transcript,
    diarization: Diarization | None,
    options: WriteOptions,
    previous: PreviousOutputs | None,
    ahead: WriteAhead | None = None,
    made_with: Provenance = NOTHING_KNOWN,
    quality: Quality | None = None,
    second: SecondPass | None = None,
    naming: Naming | None = None,
) -> WriteResult:
    """Join speakers and words of one file, name those whom `naming` knows, and write its outputs, noted `ahead`.

    `made_with` knows the model and the options; the transcript and the check of a second pass replace the first.
    Raises OutputNotOurs, OSError, NotInCaptions, PeopleChanged.
    """
    people = naming.matches(diarization) if naming and diarization else None
    unnamed = naming.note(diarization) if naming and diarization else None
    if second is not None:
        transcript, quality = second.transcript, second.quality
    transcript, diarization = _with_speakers(file, transcript, diarization, people)
    if quality and transcript.parts:
        quality = with_names(quality, transcript.result.get("speaker_names", {}))
    outputs = options.outputs(output, transcript.language)
    provenance = replace(made_with, source=file.name, source_date=file.day, words_timed_by=transcript.aligned_by)
    recording = SEVERAL if file.tracks else Recording.beside(file.path, outputs.get("html", ""), file.track_number)
    shown = (options.layout(), _title(output, transcript.language), file.duration_s, provenance)
    material = (transcript, diarization, *shown, quality, people, recording)
    contents = {EXTENSIONS[name]: encode(name, *material) for name in options.formats()}
    facts = facts_of(file, transcript, diarization, quality, people, unnamed)

    def note(new: dict[str, bytes]) -> None:
        if ahead:
            replace(ahead, key=outputs_key(ahead.key, people, provisional=transcript.provisional)).note(new, facts)

    written, changed = write_outputs(contents, outputs, previous, note)
    return WriteResult(written, changed=changed, provisional=transcript.provisional, **facts)


def _with_speakers(
    file: AudioFile, transcript: Transcript, diarization: Diarization | None, people: list[Match] | None
) -> tuple[Transcript, Diarization | None]:
    """Return the transcript with the speakers, by their names, and their turns; None if nobody looked for them."""
    if transcript.parts:
        transcript = replace(transcript, result=to_label(transcript.result))  # another try has the one that is given
        diarization = diarization or Diarization([])
        label_parts(diarization.turns, transcript.result, diarization.embeddings)
        names = names_within(transcript.result, file.names, names_of(people))
        turns = turns_in(transcript.result, diarization.turns)
        return transcript, rename(transcript, replace(diarization, turns=turns), names)
    if diarization is None:
        return transcript, None
    assign_speakers(transcript, diarization)
    return transcript, rename(transcript, diarization, names_of(people))


def _title(output: OutputPath, language: str) -> str:
    """Return the name of the outputs, as one printable line."""
    name = os.path.basename(output.render(language, "")).removesuffix(".")
    return "".join(c if c.isprintable() else "_" for c in name)
