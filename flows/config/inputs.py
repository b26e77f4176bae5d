"""The inputs of a batch as the user names them, and the files that they turn out to be."""

from dataclasses import dataclass
from typing import Literal

from pathspec import GitIgnoreSpec
from pydantic import Field, field_validator

from flows.config.file_overrides import NO_OVERRIDES, FileOverrides
from tasks.options import Options


class Inputs(Options):
    """The audio and video files of a batch."""

    inputs: list[str] = Field(default_factory=list, description="files, folders and globs; paths or URLs")
    batch_file: str | None = Field(None, description="file with one path a line, or separated by NULs")
    manifest: str | None = Field(
        None,
        description="CSV or JSON Lines: the column path, and a column for each option that differs, such as language",
    )
    include: list[str] = Field(
        default_factory=list,
        description="in folders, take what matches this gitignore pattern, or one of several, each with an option of "
        "its own (default: audio and video)",
    )
    exclude: list[str] = Field(
        default_factory=list, description="in folders and globs, leave out what matches; as include"
    )
    input_roots: list[str] = Field(
        default_factory=list, description="folders below which every input must lie (default: any input may be read)"
    )
    only: Literal["failed"] | None = Field(
        None, description="failed: only those inputs (default: of all earlier runs) that are not done yet"
    )
    of_report: str | None = Field(None, description="with --only: take those files from this report")

    @field_validator("include", "exclude")
    @classmethod
    def _patterns(cls, patterns: list[str]) -> list[str]:
        GitIgnoreSpec.from_lines(patterns)  # raises ValueError for what is no pattern
        return patterns


@dataclass(frozen=True, slots=True)
class TrackEntry:
    """A track of a group: its file, who speaks in it, and when it begins, in seconds from the start of the group."""

    path: str
    speaker: str
    offset_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Entry:
    """An input file, its overrides, and the line of the manifest that names it (0: no manifest does).

    Or a group of tracks: then no file has its path.
    """

    path: str
    options: FileOverrides = NO_OVERRIDES
    line: int = 0
    tracks: tuple[TrackEntry, ...] = ()

    @property
    def paths(self) -> list[str]:
        """Its files."""
        return [track.path for track in self.tracks] or [self.path]
