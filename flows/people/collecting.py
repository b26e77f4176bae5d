"""Collecting the people of an output folder: their voices, a table and a page for their names."""

from collections.abc import Iterator

from flows.people.forgetting import forget_voices
from flows.people.gathering import Gathered, gather
from flows.people.grouping import grouped, suggestions
from flows.people.page import page
from flows.people.registry import next_ids, write_private
from flows.people.table import COLUMNS, rows_of, speakers_csv
from flows.state.folder import OutputFolder
from tasks.errors import InvalidInput, one_line
from tasks.people.known import TABLE, VOICES, Person, read_people, table_of, voices_json
from tasks.people.limits import Limits, check_limits
from tasks.storage.urls import shown

PAGE = "speakers.html"


def collect(folder: OutputFolder, where: str, limits: Limits | None, forget: str | None = None) -> str:
    """Write to the folder `where` who speaks in the files of an output folder; return what to say about it.

    Those whose id or name is `forget` are forgotten. Raises InvalidInput if there is nobody like that, if no file was
    diarized, or if the limits of the embedding model are not known and none are given; OSError.
    """
    known, table, gathered = read_people(where), table_of(where), gather(folder, folder.ledger())
    if not (known or table or gathered.files):
        raise InvalidInput(
            f"{shown(folder.location)}: no file was run with --diarize; do that first, then run this again"
        )
    check_limits((each.voice.model for each in gathered.voices), limits)
    people = grouped(known, gathered.voices, limits, next_ids(known, where))
    gone = [person for person in people if forget in (person.id, person.name)] if forget else []
    if forget and not gone:
        raise InvalidInput(f"--forget {one_line(forget)}: there is nobody with this id or name in {where}")
    changed = forget_voices(folder, gone)
    ids, names = {person.id for person in people}, {person.name for person in gone}
    people = [person for person in people if person not in gone]
    found = rows_of(people, suggestions(people, limits))
    own = [row | {"id": ""} for row in table if row["name"] and row["id"] not in ids and row["name"] not in names]
    samples = [[row.get(column, "") for column in COLUMNS] for row in own]
    contents = {VOICES: voices_json(people), TABLE: speakers_csv(found, samples), PAGE: page(found, samples)}
    write_private(where, contents)
    return "".join([*_forgotten(gone, changed), *_found(gathered, people, where)])


def _forgotten(gone: list[Person], changed: int) -> Iterator[str]:
    if gone:
        yield f"forgotten: {', '.join(person.shown for person in gone)}; voices were removed from {changed} results\n"
    for file in sorted(each.file for person in gone for each in person.voices if not each.speaker):
        yield f"remove this sample too, or the next run learns the voice again: {one_line(file)}\n"


def _found(gathered: Gathered, people: list[Person], where: str) -> Iterator[str]:
    without = gathered.without_voices
    named = sum(bool(person.name) for person in people)
    yield f"{len(people)} people in {gathered.files - without} files, {named} of them with names\n"
    if without:
        yield f"without voices, since an earlier release diarized them: {without} files\n"
    yield f"listen and give names in {where}/{PAGE}, or in {TABLE} there\n"
    yield f"then run whisperx-batch as before, with --speakers {where}\n"
