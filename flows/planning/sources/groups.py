"""Groups of a manifest: rows that name the tracks of one recording, a speaker each."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from flows.config.file_overrides import FileOverrides
from flows.config.inputs import Entry, TrackEntry
from tasks.audio.timeline import LONGEST_SILENCE_S
from tasks.errors import one_name
from tasks.options import Options
from tasks.storage import urls

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class TrackColumns(Options):
    """The columns of a row that names a track."""

    group: Name | None = Field(None, description="name of the recording that it is a track of, and of its outputs")
    speaker: Name | None = Field(None, description="who speaks in this track (default: its name, without extension)")
    offset: float | None = Field(
        None, ge=0, le=LONGEST_SILENCE_S, description="seconds from the start at which it begins"
    )

    def track(self, path: str) -> TrackEntry:
        """Return the track at this path."""
        name = os.path.splitext(os.path.basename(urls.path_in(path)))[0]
        return TrackEntry(path, one_name(self.speaker or name), self.offset or 0.0)


@dataclass(frozen=True, slots=True)
class TrackRow:
    """A track, with the line and the options of its row; `named`: the row says who speaks."""

    line: int
    track: TrackEntry
    options: FileOverrides
    named: bool


def entry_of(name: str, rows: list[TrackRow]) -> Entry:
    """Return the input that a group is. Its path, which no file has, is its name beside the first track."""
    given = {key: value for row in rows for key, value in row.options.model_dump(exclude_none=True).items()}
    options = FileOverrides.model_validate({"output": name} | given)
    folder = rows[0].track.path.rpartition("/")[0]
    return Entry(urls.join(folder, name), options, rows[0].line, tuple(row.track for row in rows))


def mistakes(rows: list[TrackRow]) -> Iterator[tuple[int, str]]:
    """Yield what is wrong with the rows of a group, with their lines."""
    lines: dict[str, int] = {}
    speakers: dict[str, TrackRow] = {}
    given: dict[str, tuple[int, Any]] = {}
    for row in rows:
        if row.track.path in lines:
            yield row.line, f"this track of its group is in line {lines[row.track.path]} already"
        lines.setdefault(row.track.path, row.line)
        first = speakers.setdefault(row.track.speaker, row)
        if first is not row and not (first.named and row.named):
            yield (
                row.line,
                f"its speaker is {row.track.speaker}, as in line {first.line}: name both in the column speaker",
            )
        for option, value in row.options.model_dump(exclude_none=True).items():
            line, other = given.setdefault(option, (row.line, value))
            if value != other:
                yield row.line, f"{option}: {value!r}, and in line {line} of its group {other!r}"
        if row.options.channels not in (None, "mix"):
            yield row.line, "the channels of a track are mixed: leave out channels"
