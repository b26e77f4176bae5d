"""What is known of a file's outputs once they are written."""

from dataclasses import dataclass, field
from typing import TypedDict, cast

from tasks.audio.types import AudioFile
from tasks.channels.speakers import unused_names
from tasks.diarize import Diarization
from tasks.people.matching import Match
from tasks.quality.assessment import Assessment, assess
from tasks.quality.verdict import Quality
from tasks.storage.filesystems import FileVersion
from tasks.transcribe import Transcript


class Fallback(TypedDict):
    """What timed the words of a recording, or of a channel or track, whose aligner could not be loaded."""

    language: str
    aligned_by: str | None
    broken: dict[str, str]
    """Aligners whose files were all here, and the version of these files."""


class Facts(TypedDict):
    """What the report says of a file's outputs."""

    language: str
    speakers: int | None
    """How many there are; None without diarization."""
    aligned_by: str | None
    """What timed the words; None without alignment."""
    note: str | None
    """Anything else to report, such as sound without any text."""
    quality: Assessment | None
    """What the check has found; None if there was none."""
    people: list[Match] | None
    """Who its speakers are; None if nobody was to be named."""
    fallbacks: list[Fallback] | None
    """Why its word times are provisional. None: an earlier version wrote it, which did not say."""


@dataclass(frozen=True)
class WriteResult:
    """The outputs of a file that is done, by extension; `changed` are those that somebody has changed since."""

    outputs: dict[str, FileVersion]
    language: str
    changed: dict[str, FileVersion] = field(default_factory=dict)
    speakers: int | None = None
    aligned_by: str | None = None
    note: str | None = None
    quality: Assessment | None = None
    people: list[Match] | None = None
    fallbacks: list[Fallback] | None = None
    provisional: bool = False
    """The aligner could not be loaded: a later run tries it again."""

    @property
    def facts(self) -> Facts:
        """What the report says of them."""
        return cast(Facts, {name: getattr(self, name) for name in Facts.__annotations__})


def facts_of(
    file: AudioFile,
    transcript: Transcript,
    diarization: Diarization | None,
    quality: Quality | None,
    people: list[Match] | None,
    unnamed: str | None,
) -> Facts:
    """Return what the report says of a transcript that is to be written; `unnamed`: why nobody in it is named."""
    notes = (transcript.note, unused_names(file, split=bool(transcript.parts)), unnamed)
    return Facts(
        language=transcript.language,
        speakers=None if diarization is None else _number_of_speakers(transcript),
        aligned_by=transcript.aligned_by,
        note="; ".join(filter(None, notes)) or None,
        quality=None if quality is None else assess(quality, file.keys.get("check", "")),
        people=people,
        fallbacks=[
            Fallback(language=each.language, aligned_by=each.aligned_by, broken=each.broken)
            for each in transcript.parts or [transcript]
            if each.provisional
        ],
    )


def _number_of_speakers(transcript: Transcript) -> int:
    return len({segment["speaker"] for segment in transcript.result["segments"] if "speaker" in segment})
