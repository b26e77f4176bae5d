"""Forgetting people: their voices go from the stored results."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from flows.people.gathering import diarizations, read, stored
from flows.state.folder import OutputFolder
from flows.state.ledger_rows import Row
from tasks.people.known import Person


def forget_voices(folder: OutputFolder, people: list[Person]) -> int:
    """Remove the voices of people from the stored diarizations; return from how many. Raises OSError, ValueError.

    The same voice may be in other recordings, too, such as a group with this one as a track. Of an older diarization of
    the same recording, in which the labels may be others, all voices are removed.
    """
    if not people:
        return 0  # without a look at the results, which may be hundreds of thousands
    forgotten = {each.voice.embedding for person in people for each in person.voices}
    recordings = {each.source for person in people for each in person.voices}
    recordings |= set(_groups_with(recordings, folder.ledger().rows))
    oldest_first = sorted(diarizations(folder), key=lambda result: -result.age_s)
    newest = {result.digest: result for result in oldest_first if result.digest in recordings}
    changed, written = 0, set[str]()
    for result in oldest_first:
        try:
            voices = read(folder, result).voices or {}
        except RuntimeError:  # it was broken and is removed, with its voices
            changed += 1
            continue
        kept = {name for name, voice in voices.items() if voice.embedding not in forgotten}
        if newest.get(result.digest, result) is not result:
            kept = set()
        if len(kept) < len(voices) or result.digest in written:  # after an older one, so that the newest stays it
            stored(folder, result).edit(partial(_keep, kept))
            written.add(result.digest)
            changed += len(kept) < len(voices)
    return changed


def _groups_with(recordings: set[str], rows: Mapping[str, Row]) -> Iterator[str]:
    """Yield the digests of groups whose tracks are among these recordings: they have the voices of all tracks."""
    digests = {path: row.get("digest") for path, row in rows.items()}
    for row in rows.values():
        if "digest" in row and any(digests.get(path) in recordings for path, *_ in row.get("tracks", ())):
            yield row["digest"]


def _keep(speakers: set[str], data: dict[str, Any]) -> None:
    if data.get("voices"):  # versions 0.2 and earlier stored none
        data["voices"] = {speaker: voice for speaker, voice in data["voices"].items() if speaker in speakers}
