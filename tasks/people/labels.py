"""Names in place of the labels that a diarization gives its speakers."""

from dataclasses import dataclass, replace

from tasks.diarize import Diarization
from tasks.people.known import PeopleFolder
from tasks.people.limits import Limits
from tasks.people.matching import Match, matcher_of
from tasks.people.options import PeopleOptions
from tasks.transcribe import Transcript


@dataclass(frozen=True)
class Naming:
    """Whom a run names, and from which cosines on; None for those of the embedding model."""

    people: PeopleFolder
    limits: Limits | None = None

    def matches(self, diarization: Diarization) -> list[Match]:
        """Return who the speakers of a file are, as far as they are known. Raises OSError, PeopleChanged."""
        return matcher_of(self.people, self.limits).matches(diarization.voices or {})

    def note(self, diarization: Diarization) -> str | None:
        """Return what the report says if nobody could be named. Raises OSError, PeopleChanged."""
        if matcher_of(self.people, self.limits).knows_only_others(diarization.voices or {}):
            return "nobody is named: the voices of --speakers are of another --diarize_model; it needs samples"
        return None


def names_of(matches: list[Match] | None) -> dict[str, str]:
    """Return the names that outputs have, by the labels that they replace."""
    return {match["label"]: match["name"] for match in matches or [] if match["sure"]}


def rename(transcript: Transcript, diarization: Diarization, names: dict[str, str]) -> Diarization:
    """Put names in place of labels in the transcript, and return the diarization with them in its turns.

    WhisperX's result, and so its json, then has `speaker_names`, which says whose label was whose name.
    """
    for segment in transcript.result["segments"]:
        for each in (segment, *segment.get("words", ())):
            if each.get("speaker") in names:
                each["speaker"] = names[each["speaker"]]
    if names:
        transcript.result["speaker_names"] = names
    turns = [(start, end, names.get(label, label)) for start, end, label in diarization.turns]
    return replace(diarization, turns=turns)


def naming_of(options: PeopleOptions) -> Naming | None:
    """Return whom a run names; None if nobody. Raises OSError."""
    return Naming(PeopleFolder.at(options.speakers), options.limits()) if options.speakers else None
