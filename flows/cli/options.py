"""The options of the command line, which the environment and a settings file can also set."""

from typing import Any, Literal

from pydantic import BaseModel, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from flows.cli.environment import PREFIX, Environment, check_environment
from flows.cli.settings_file import read_settings
from flows.config.inputs import Inputs
from flows.config.parameters import Batch
from flows.config.pools import PoolSettings
from flows.config.run import RunSettings
from tasks.align import AlignOptions
from tasks.audio.options import SoundOptions
from tasks.diarize import DiarizeOptions
from tasks.models.options import ModelOptions
from tasks.people.options import PeopleOptions
from tasks.quality.options import CheckOptions
from tasks.transcribe import TranscribeOptions
from tasks.transcribe_again import SecondPassOptions
from tasks.write import WriteOptions

WHISPERX = """
    model language task diarize no_align output_dir output_format device compute_type batch_size model_dir
    model_cache_only align_model interpolate_method return_char_alignments vad_method vad_onset vad_offset chunk_size
    min_speakers max_speakers diarize_model speaker_embeddings beam_size patience length_penalty suppress_tokens
    suppress_numerals initial_prompt hotwords max_line_width max_line_count highlight_words threads hf_token verbose
    log_level print_progress
""".split()
"""Options of the `whisperx` program, with their meanings there; those used most come first."""
IDLE = """
    temperature temperature_increment_on_fallback compression_ratio_threshold logprob_threshold no_speech_threshold
    best_of condition_on_previous_text fp16 segment_resolution device_index
""".split()
"""Options that it accepts and never reads, and one that Ray replaces."""
IDLE_TITLE = "accepted, as whisperx does, without effect; with --temperature_fallback the first six have one"
NOT_OPTIONS = ("inputs", "by_default")
"""Fields that the command line sets in another way: by what is no option, and by `diarize`."""


class Command(
    BaseSettings,
    TranscribeOptions,
    AlignOptions,
    DiarizeOptions,
    PeopleOptions,
    CheckOptions,
    SecondPassOptions,
    WriteOptions,
    ModelOptions,
    PoolSettings,
    RunSettings,
    Inputs,
):
    """The command line, flat and with the names of the `whisperx` program and of the predecessor."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    dry_run: bool = Field(False, description="print the plan and stop; no model is loaded")
    stop_warm: bool = Field(False, description="end what --keep_warm has kept, and stop")
    no_align: bool = Field(False, description="no word timings")
    diarize: bool = Field(False, description="label words and segments with speakers")
    no_check: bool = Field(False, description="no verdict on the transcripts")
    second_pass: bool = Field(
        False, description="decode again what the check doubts, and take the new text where the check doubts it less"
    )
    hf_token: SecretStr | None = Field(
        None, description="Hugging Face token for gated models; better set HF_TOKEN, which no process list shows"
    )
    log_level: Literal["debug", "info", "warning", "error", "critical"] | None = Field(
        None, description="lowest level of log lines to show (default: critical)"
    )

    @classmethod
    def groups(cls) -> dict[str, list[str]]:
        """Return the options by the title under which the help shows them; each once, in the first that names it."""
        titles = {
            "options of the whisperx program": WHISPERX,
            "inputs": [*Inputs.model_fields, *SoundOptions.model_fields],
            "outputs": [*WriteOptions.model_fields, "report"],
            "languages and speakers": [
                "languages",
                *(
                    name
                    for group in (TranscribeOptions, AlignOptions, DiarizeOptions, PeopleOptions)
                    for name in group.model_fields
                ),
            ],
            "check of the transcripts": [
                "no_check",
                *CheckOptions.model_fields,
                "second_pass",
                *SecondPassOptions.model_fields,
            ],
            "run": [name for name in cls.model_fields if name not in PoolSettings.model_fields],
            "pools": [*PoolSettings.model_fields],
        }
        groups, taken = {}, {*NOT_OPTIONS, *IDLE}
        for title, names in titles.items():
            groups[title] = [name for name in names if name in cls.model_fields and name not in taken]
            taken.update(names)
        return groups | {IDLE_TITLE: IDLE}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the command line win over the environment, and that over the settings files. Raises InvalidInput."""
        options = set(settings_cls.model_fields).difference(NOT_OPTIONS)
        check_environment(options)
        return init_settings, Environment(settings_cls), InitSettingsSource(settings_cls, read_settings(options))

    def batch(self, inputs: list[str]) -> Batch:
        """Return the batch that the command asks for. Raises pydantic.ValidationError."""
        aligned = not self.no_align and self.task != "translate"
        return Batch(
            inputs=Inputs(**self._given(Inputs) | {"inputs": inputs}),
            transcribe=TranscribeOptions(**self._given(TranscribeOptions)),
            align=AlignOptions(**self._given(AlignOptions)) if aligned else None,
            diarize=self._diarizing(),
            people=PeopleOptions(**self._given(PeopleOptions)),
            check=None if self.no_check else CheckOptions(**self._given(CheckOptions)),
            second_pass=self._decoding_again(),
            write=WriteOptions(**self._given(WriteOptions)),
            models=ModelOptions(**self._given(ModelOptions)),
            pools=PoolSettings(**self._given(PoolSettings)),
            run=RunSettings(**self._given(RunSettings)),
        )

    def _diarizing(self) -> DiarizeOptions | None:
        """Return the options of diarization; None unless `diarize`, or a manifest, maybe of an earlier run, may ask."""
        if not (self.diarize or self.manifest or self.only):
            return None
        return DiarizeOptions(**self._given(DiarizeOptions) | {"by_default": self.diarize})

    def notices(self) -> list[str]:
        """Return a notice for each option of diarization that is set although no file is diarized."""
        if self._diarizing():
            return []
        return [f"--{name} has no effect without --diarize" for name in self._given(DiarizeOptions)]

    def _decoding_again(self) -> SecondPassOptions | None:
        """Return the options of the second pass; None without one. Its model asks for it, too."""
        asked = self.second_pass or self.second_model
        return SecondPassOptions(**self._given(SecondPassOptions)) if asked else None

    def _given(self, group: type[BaseModel]) -> dict[str, Any]:
        return {name: getattr(self, name) for name in group.model_fields if name in self.model_fields_set}


class ModelsCommand(Command):
    """The options of `whisperx-batch-models`, and the languages to expect."""

    languages: list[str] = Field(
        default_factory=list, description="languages to fetch aligners for, such as en,de,ja (default: --language)"
    )

    @field_validator("languages", mode="before")
    @classmethod
    def _separated_by_commas(cls, languages: Any) -> Any:
        return [part.strip() for each in languages for part in each.split(",")] if languages else []
