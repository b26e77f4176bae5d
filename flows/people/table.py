"""`speakers.csv`: a row for each person, in which somebody fills in the name."""

import csv
from dataclasses import dataclass
from io import StringIO

from tasks.people.known import KnownVoice, Person

COLUMNS = ("id", "name", "maybe", "files", "minutes", "file", "start", "end")


@dataclass(frozen=True)
class Row:
    """A person as somebody sees them who gives the names; `clip` is of the voice that rests on the most speech."""

    person: Person
    maybe: str
    clip: KnownVoice

    @property
    def files(self) -> int:
        """In how many recordings the person speaks."""
        return len({each.source for each in self.person.voices if each.speaker})

    @property
    def minutes(self) -> float:
        """For how long."""
        return round(sum(each.spoken_s for each in self.person.voices) / 60, 1)

    def cells(self) -> list[str]:
        """Return the columns."""
        start, end = self.clip.voice.clip
        cells = (self.person.id, self.person.name, self.maybe, self.files, self.minutes, self.clip.file, start, end)
        return list(map(str, cells))


def rows_of(people: list[Person], maybe: dict[str, str]) -> list[Row]:
    """Return the people, those who speak in the most files first; `maybe` are suggestions by id."""
    found = [
        Row(person, maybe.get(person.id, ""), max(person.voices, key=lambda each: each.voice.seconds))
        for person in people
    ]
    return sorted(found, key=lambda row: (-row.files, -row.minutes, row.person.id))


def speakers_csv(rows: list[Row], samples: list[dict[str, str]]) -> bytes:
    """Return the table, with the mark by which spreadsheets know UTF-8; `samples` are rows of its user's own."""
    written = StringIO()
    table = csv.writer(written, lineterminator="\n")
    table.writerow(COLUMNS)
    table.writerows(row.cells() for row in rows)
    table.writerows([sample.get(column, "") for column in COLUMNS] for sample in samples)
    return written.getvalue().encode("utf-8-sig", errors="surrogateescape")
