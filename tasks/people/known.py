"""The people of a folder: their names and voices, as the files `voices.json` and `speakers.csv` have them."""

import csv
import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from io import StringIO
from typing import Any

from tasks.diarization.voices import Voice
from tasks.errors import FileFault, InvalidInput, one_line, one_name
from tasks.storage import io, urls

VOICES, TABLE = "voices.json", "speakers.csv"


@dataclass
class KnownVoice:
    """A voice of a person, and where it is from.

    `source` is the digest of the recording, `speaker` the label there; of a sample, `source` stands for its content and
    the model, and `speaker` is empty. `spoken_s` is how long the speaker talks in the recording. `track` is the
    number of its track, from 1; 0: the one that the ffmpeg program takes. `channel` is the one that was diarized by
    itself, from 1; 0: all were mixed.
    """

    voice: Voice
    file: str
    source: str
    speaker: str = ""
    spoken_s: float = 0.0
    track: int = 0
    channel: int = 0


@dataclass
class Person:
    """A person by an id that stays the same; without a name until somebody gives one."""

    id: str
    name: str = ""
    voices: list[KnownVoice] = field(default_factory=list)

    @property
    def shown(self) -> str:
        """How outputs call the person."""
        return self.name or self.id


def read_people(folder: str) -> list[Person]:
    """Return the people of a folder, by the names that its table gives. Raises OSError, InvalidInput."""
    return _people(folder, *(_content(folder, name) for name in (VOICES, TABLE)))


def table_of(folder: str) -> list[dict[str, str]]:
    """Return the rows of a folder's `speakers.csv`; none if there is none. Raises OSError, InvalidInput."""
    return list(rows(_content(folder, TABLE), urls.join(folder, TABLE)))


def _content(folder: str, name: str) -> bytes:
    try:
        return io.read(urls.join(folder, name))
    except FileNotFoundError:
        return b""


def _people(folder: str, voices: bytes, table: bytes) -> list[Person]:
    try:
        stored = json.loads(voices) if voices else {"people": []}
        people = [
            Person(each["id"], each["name"], [_known_voice(voice) for voice in each["voices"]])
            for each in stored["people"]
        ]
    except (ValueError, LookupError, TypeError) as error:
        where = urls.join(folder, VOICES)
        raise InvalidInput(f"{where}: not as this release of whisperx-batch writes it ({error}): remove it") from None
    names = {row["id"]: row["name"] for row in rows(table, urls.join(folder, TABLE)) if row["id"]}
    for person in people:
        person.name = names.get(person.id, person.name)
    return people


def _known_voice(stored: dict[str, Any]) -> KnownVoice:
    voice = stored.pop("voice")
    return KnownVoice(Voice(**voice | {"clip": tuple(voice["clip"])}), **stored)


def rows(table: bytes, where: str) -> Iterator[dict[str, str]]:
    """Yield the rows of a `speakers.csv`, in UTF-8, with commas or semicolons, every column a string.

    `where` is its location, for errors. Raises InvalidInput.
    """
    text = table.decode("utf-8-sig", errors="surrogateescape")  # paths are bytes, which need not be UTF-8
    semicolons = text.partition("\n")[0].count(";") > text.partition("\n")[0].count(",")  # as spreadsheets may save it
    reader = csv.DictReader(StringIO(text), delimiter=";" if semicolons else ",", restkey="", restval="")
    try:
        columns, read = set(reader.fieldnames or ()), list(reader)
    except csv.Error as error:
        raise InvalidInput(f"{where}: not CSV, line {reader.line_num}: {error}") from None
    if text and not {"name", "file"} <= columns:
        raise InvalidInput(f"{where}: it needs the columns name and file, in its first line")
    for row in read:
        found = {column: row.get(column, "").strip() for column in ("id", "name", "file", "start", "end")}
        if any("\udc80" <= character <= "\udcff" for character in found["name"]):
            raise InvalidInput(f"{where}: the name {one_line(found['name'])} is not UTF-8: save it as CSV UTF-8")
        found["name"] = one_name(found["name"])
        yield found


def voices_json(people: list[Person]) -> bytes:
    """Return the content of `voices.json`."""
    return json.dumps({"people": [asdict(person) for person in people]}).encode()


@dataclass(frozen=True)
class PeopleFolder:
    """A folder of people with the `digest` of what a run found there: it is the same for all of its files."""

    folder: str
    digest: str

    @classmethod
    def at(cls, folder: str) -> "PeopleFolder":
        """Return the folder as it is now. Raises OSError."""
        return cls(folder, _digest(folder)[0])

    def read(self) -> list[Person]:
        """Return the people. Raises OSError, PeopleChanged."""
        return _read_once(self)


class PeopleChanged(FileFault):
    """Somebody has edited the people while a run named speakers by them."""


@lru_cache(maxsize=2)
def _read_once(known: PeopleFolder) -> list[Person]:
    digest, contents = _digest(known.folder)
    if digest != known.digest:
        raise PeopleChanged(f"{known.folder} was changed while the run went on; run the same command again")
    return _people(known.folder, *contents)


def _digest(folder: str) -> tuple[str, list[bytes]]:
    contents = [_content(folder, name) for name in (VOICES, TABLE)]
    return hashlib.blake2b(b"\0".join(contents), digest_size=16).hexdigest(), contents
