"""What the canary compares, and how much may differ."""

from pydantic import Field

from tasks.align import AlignOptions
from tasks.diarize import DiarizeOptions
from tasks.models.options import ModelOptions
from tasks.options import Options
from tasks.quality.options import CheckOptions
from tasks.transcribe import TranscribeOptions
from tasks.transcribe_again import SecondPassOptions


class OptionSet(Options):
    """The options of a batch that change its transcripts."""

    transcribe: TranscribeOptions = TranscribeOptions()
    align: AlignOptions | None = AlignOptions()
    diarize: DiarizeOptions | None = None
    check: CheckOptions | None = CheckOptions()
    second_pass: SecondPassOptions | None = None
    models: ModelOptions = ModelOptions()

    def over_set(self, other: "OptionSet") -> "OptionSet":
        """Return the other's options, replaced by those that are set here. Raises ValidationError."""
        groups: dict[str, Options | None] = dict(other)
        for name, group in self.given().items():
            theirs = groups[name]
            groups[name] = group.over(theirs.given()) if group and theirs else group
        return OptionSet(**groups)


class Limits(Options):
    """How far new options may be from the old ones on the sample."""

    max_difference: float = Field(0.1, ge=0, description="largest share of the words that may differ, of 1")
    max_coverage_loss: float = Field(0.02, ge=0, description="largest loss of speech that has text, as a share of it")
    max_worse: int = Field(0, ge=0, description="most files whose verdict may become worse")
