"""Forgetting people: their voices go from the stored results."""

from functools import partial
from typing import Any

from flows.people.gathering import diarizations, read, stored
from flows.state.folder import OutputFolder
from tasks.people.known import Person


def forget_voices(folder: OutputFolder, people: list[Person]) -> int:
    """Remove the voices of people from the stored diarizations; return from how many. Raises OSError, ValueError.

    Of an older diarization of the same recording, in which the labels may be others, all voices are removed.
    """
    forgotten = {each.voice.embedding for person in people for each in person.voices}
    recordings = {each.source for person in people for each in person.voices}
    oldest_first = sorted(diarizations(folder), key=lambda result: -result.age_s)
    newest = {result.digest: result for result in oldest_first if result.digest in recordings}
    changed = 0
    for result in oldest_first:  # in this order, so that the newest stays the newest
        if result.digest not in recordings:
            continue
        try:
            voices = read(folder, result).voices or {}
        except RuntimeError:  # it was broken and is removed, with its voices
            changed += 1
            continue
        kept = {name for name, voice in voices.items() if voice.embedding not in forgotten}
        if newest[result.digest] is not result:
            kept = set()
        if len(kept) < len(voices):
            stored(folder, result).edit(partial(_keep, kept))
            changed += 1
    return changed


def _keep(speakers: set[str], data: dict[str, Any]) -> None:
    data["voices"] = {speaker: voice for speaker, voice in data["voices"].items() if speaker in speakers}
