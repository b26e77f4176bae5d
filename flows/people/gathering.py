"""The voices of all files that were ever diarized for an output folder, from the stored results: no model is loaded."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from flows.state.cleanup import Result, stored_results
from flows.state.folder import OutputFolder
from flows.state.ledger import Ledger
from tasks.channels.speakers import channel_of
from tasks.diarize import Diarization
from tasks.people.known import KnownVoice
from tasks.storage.results import StoredResult


@dataclass
class Gathered:
    """The voices, in the order of files and labels, and how many files were diarized before voices were stored."""

    voices: list[KnownVoice] = field(default_factory=list)
    files: int = 0
    without_voices: int = 0


def gather(folder: OutputFolder, ledger: Ledger) -> Gathered:
    """Return the voices in the newest diarization of each recording. Raises OSError, UnsupportedLocation.

    Those of a group are in the diarizations of its tracks, which have files.
    """
    rows = sorted(ledger.rows.items(), reverse=True)
    paths = {row["digest"]: path for path, row in rows if "digest" in row and "tracks" not in row}
    newest: dict[str, Result] = {}
    for result in sorted(diarizations(folder), key=lambda result: -result.age_s):
        if result.digest in paths:
            newest[result.digest] = result
    gathered = Gathered(files=len(newest))
    for result in sorted(newest.values(), key=lambda result: paths[result.digest]):
        try:
            diarization = read(folder, result)
        except RuntimeError:  # it was broken and is removed: the next run makes it anew
            continue
        if diarization.voices is None and diarization.turns:
            gathered.without_voices += 1
        path = paths[result.digest]
        gathered.voices += _of_file(diarization, path, result.digest, ledger.rows[path].get("track_number", 0))
    return gathered


def diarizations(folder: OutputFolder) -> Iterator[Result]:
    """Yield the stored results of diarization. Raises OSError, UnsupportedLocation."""
    return (result for result in stored_results(folder.results) if result.stage == "diarize")


def read(folder: OutputFolder, result: Result) -> Diarization:
    """Return a stored diarization. Raises RuntimeError if it is broken."""
    found: Diarization = stored(folder, result).read()
    return found


def stored(folder: OutputFolder, result: Result) -> StoredResult:
    """Return the stored result by its key."""
    return StoredResult(folder.results, result.location.removeprefix(folder.results).strip("/"))


def _of_file(diarization: Diarization, path: str, digest: str, track: int) -> Iterator[KnownVoice]:
    spoken: defaultdict[str, float] = defaultdict(float)
    for start, end, speaker in diarization.turns:
        spoken[speaker] += end - start
    for speaker, voice in sorted((diarization.voices or {}).items()):
        yield KnownVoice(voice, path, digest, speaker, round(spoken[speaker], 1), track, channel_of(speaker))
