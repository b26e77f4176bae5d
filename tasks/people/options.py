"""Options of naming speakers."""

from pydantic import Field, field_validator

from tasks.options import Options
from tasks.people.limits import Limits, parse_limits


class PeopleOptions(Options):
    """Names for the speakers: who is known, and how alike two voices of one person must be."""

    speakers: str | None = Field(
        None,
        description="folder of people to name: a folder or a file of samples for each (Ada Lovelace/1.wav, Ada "
        "Lovelace.flac), or speakers.csv; whisperx-batch-speakers makes one from the transcripts that are there",
    )
    speaker_limits: str | None = Field(
        None,
        description="cosines of two voices from which a speaker is named, and from which a name is suggested in the "
        "report: 0.65,0.55 (default: those measured for the embedding model)",
    )

    @field_validator("speaker_limits")
    @classmethod
    def _are_limits(cls, given: str | None) -> str | None:
        if given is not None:
            parse_limits(given)  # raises ValueError
        return given

    def limits(self) -> Limits | None:
        """Return the limits that are given; None: those of each embedding model."""
        return None if self.speaker_limits is None else parse_limits(self.speaker_limits)
