"""A batch and its options: the parameters of the flow, and so the form in Prefect's UI."""

from pydantic import model_validator

from flows.config.inputs import Inputs
from flows.config.pools import PoolSettings
from flows.config.run import RunSettings
from tasks.align import AlignOptions
from tasks.diarize import DiarizeOptions
from tasks.models.options import ModelOptions
from tasks.options import Options
from tasks.people.options import PeopleOptions
from tasks.quality.options import CheckOptions
from tasks.stage_table import planned_stages
from tasks.transcribe import TranscribeOptions
from tasks.transcribe_again import SecondPassOptions
from tasks.write import WriteOptions


class Batch(Options):
    """A batch: what to transcribe, and how. Its fields are the parameters of the flow."""

    inputs: Inputs = Inputs()
    write: WriteOptions = WriteOptions()
    transcribe: TranscribeOptions = TranscribeOptions()
    align: AlignOptions | None = AlignOptions()
    diarize: DiarizeOptions | None = None
    people: PeopleOptions = PeopleOptions()
    check: CheckOptions | None = CheckOptions()
    second_pass: SecondPassOptions | None = None
    models: ModelOptions = ModelOptions()
    run: RunSettings = RunSettings()
    pools: PoolSettings = PoolSettings()

    @model_validator(mode="after")
    def _possible(self) -> "Batch":
        if self.align is not None and self.transcribe.task == "translate":
            raise ValueError("a translation cannot be aligned: leave align out")
        wanted = [name for name in ("highlight_words", "max_line_count", "max_line_width") if getattr(self.write, name)]
        if self.align is None and wanted:
            raise ValueError(f"{wanted[0]} is not possible without word timings (no_align)")
        if self.diarize is None and "rttm" in self.write.formats() and self.transcribe.channels != "split":
            raise ValueError("output_format rttm holds speaker turns: set diarize too, or leave rttm out")
        if self.diarize is None and self.people.speakers is not None:
            raise ValueError("speakers names those whom diarization finds: set diarize too")
        if self.check is None and "quality" in self.write.formats():
            raise ValueError("output_format quality holds the check of the transcript: set check too, or leave it out")
        if self.second_pass and (self.check is None or self.transcribe.task == "translate"):
            raise ValueError("second_pass decodes what check doubts in a transcript: set check, and no translation")
        return self

    def stages(self, *, diarize: bool) -> frozenset[str]:
        """Return the stages of a file that is diarized, or not, if nothing of it is stored."""
        return planned_stages(
            align=self.align is not None,
            diarize=diarize,
            check=self.check is not None,
            second_pass=self.second_pass is not None,
        )

    @property
    def whisper_models(self) -> dict[str, str]:
        """The Whisper models of the batch, by the option that names each."""
        second = self.second_pass.second_model if self.second_pass else None
        return {"model": self.transcribe.model} | ({"second_model": second} if second else {})
