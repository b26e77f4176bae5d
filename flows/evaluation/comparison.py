"""How the transcripts of two runs differ: words, speakers, verdicts and speed. Neither is taken to be right."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, astuple, dataclass, field
from itertools import islice
from typing import Any, NamedTuple

from flows.evaluation.diarization_rate import der
from flows.evaluation.normalization import normalizer_of
from flows.evaluation.rates import Rate, total
from flows.evaluation.scoring import Chunk, compared, words_of
from flows.evaluation.transcripts.files import Files, files_below, transcript_of
from flows.evaluation.transcripts.recording import Recording
from tasks.errors import InvalidInput

PLACES = 3
"""So many differences of a file are shown."""
CONTEXT = 4
"""With so many words before and after."""


class Place(NamedTuple):
    """Where two transcripts differ: the words of each, and those around them."""

    before: str
    old: str
    new: str
    after: str


@dataclass(frozen=True)
class Version:
    """What one run says of a file, besides its words; None where that is not known."""

    speakers: int | None = None
    verdict: str | None = None
    coverage: float | None = None
    """The share of the speech that has text."""


@dataclass(frozen=True)
class Change:
    """One file in both runs; the rates count as errors what the new run has otherwise than the old."""

    name: str
    words: Rate
    turns: Rate | None
    """Seconds in which other speakers are found, whatever they are called; None if not both runs have any."""
    old: Version
    new: Version
    places: list[Place]

    @property
    def differs(self) -> bool:
        """Whether anything differs that is known of both."""
        facts = zip(astuple(self.old), astuple(self.new), strict=True)
        other = any(old != new for old, new in facts if None not in (old, new))
        return bool(self.words.errors or other or (self.turns and self.turns.errors))


@dataclass
class Comparison:
    """All files of both runs; `problems` are those that could not be compared."""

    changes: list[Change] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    """Files that only the new run has."""
    speeds: tuple[float | None, float | None] = (None, None)
    """Hours of audio in an hour, where the folders hold the runs' reports as report.json."""

    @property
    def words(self) -> Rate:
        """The words that differ, over all files."""
        return total({"wer": each.words} for each in self.changes).get("wer", Rate(0, {}))

    @property
    def differing(self) -> list[Change]:
        """The files that differ, the worst first, else by name."""
        return sorted((each for each in self.changes if each.differs), key=lambda each: -each.words.value)

    @property
    def turns(self) -> Rate | None:
        """The seconds whose speakers differ, over all files that have any."""
        return total({"der": each.turns} for each in self.changes if each.turns).get("der")

    def as_dict(self) -> dict[str, Any]:
        """Return everything for JSON."""
        return {
            "words": self.words.as_dict(),
            "turns": self.turns and self.turns.as_dict(),
            "files": [
                {
                    "name": each.name,
                    "words": each.words.as_dict(),
                    "turns": each.turns and each.turns.as_dict(),
                    "old": asdict(each.old),
                    "new": asdict(each.new),
                    "places": [place._asdict() for place in each.places],
                }
                for each in self.changes
            ],
            "added": self.added,
            "problems": self.problems,
            "speed": dict(zip(("old", "new"), self.speeds, strict=True)),
        }


def compare(old: str, new: str, language: str | None) -> Comparison:
    """Compare two output folders; `language` is that of files that do not say theirs. Raises InvalidInput."""
    before, after = _transcripts(old), _transcripts(new)
    found = Comparison(added=sorted(after.keys() - before.keys()), speeds=(_speed(old), _speed(new)))
    for name, files in sorted(before.items()):
        if name not in after:
            found.problems.append(f"{name}: it is in {old} and not in {new}")
            continue
        try:
            sides = transcript_of(files), transcript_of(after[name])
        except InvalidInput as error:
            found.problems.append(str(error))
            continue
        rate, places = _words(*sides, language)
        versions = _version(files, sides[0]), _version(after[name], sides[1])
        found.changes.append(Change(name, rate, _turns(*sides), *versions, places))
    return found


def _words(old: Recording, new: Recording, language: str | None) -> tuple[Rate, list[Place]]:
    normalizer = normalizer_of(old.language or new.language or language)
    rate, chunks = compared(words_of(old, normalizer) or [], words_of(new, normalizer) or [])
    return rate, list(islice(_places(chunks), PLACES))


def _turns(old: Recording, new: Recording) -> Rate | None:
    before, after = old.speaker_turns(), new.speaker_turns()
    return der(before, after, collar_s=0) if before and after is not None else None


def _places(chunks: list[Chunk]) -> Iterator[Place]:
    for i, chunk in enumerate(chunks):
        if chunk.kind != "equal":
            before = chunks[i - 1].hypothesis[-CONTEXT:] if i else []
            after = chunks[i + 1].hypothesis[:CONTEXT] if i + 1 < len(chunks) else []
            yield Place(*(" ".join(words) for words in (before, chunk.reference, chunk.hypothesis, after)))


def _version(files: dict[str, str], recording: Recording) -> Version:
    """Return what a run says of a file; the verdict is that of its output `quality`, beside its other `files`."""
    stem = next(path[: -len(suffix)] for suffix, path in files.items())
    turns, quality = recording.speaker_turns(), _json(f"{stem}.quality.json")
    labels = {segment.speaker for segment in recording.segments or () if segment.speaker}
    speakers = {turn.speaker for turn in turns or ()} or labels
    coverage = _ratio(quality, "covered_s", "speech_s")
    return Version(speakers=len(speakers) or None, verdict=quality.get("verdict"), coverage=coverage)


def _transcripts(folder: str) -> Files:
    """Return the transcripts of a run, without the report that may be among them."""
    found = files_below(folder)
    if _summary(folder):
        del found["report"][".json"]  # a recording may have the same name
    return {name: files for name, files in found.items() if files}


def _speed(folder: str) -> float | None:
    """Return seconds of audio a second, from a run's report in the folder, report.json; None if it decoded none."""
    return _ratio(_summary(folder), "audio_s", "wall_s") or None


def _summary(folder: str) -> dict[str, Any]:
    summary = _json(os.path.join(folder, "report.json")).get("summary")
    return summary if isinstance(summary, dict) else {}


def _ratio(values: dict[str, Any], above: str, below: str) -> float | None:
    return round(values[above] / values[below], 4) if values.get(below) and above in values else None


def _json(path: str) -> dict[str, Any]:
    """Return an object from a file of JSON; an empty one if there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
