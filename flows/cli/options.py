"""The options of the command line, which the environment and a settings file can also set."""

from typing import Any, Literal

from pydantic import BaseModel, Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    CliSuppress,
    CliToggleFlag,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from flows.cli.environment import PREFIX, Environment, check_environment
from flows.cli.settings_file import read_settings
from flows.config.inputs import Inputs
from flows.config.parameters import Batch
from flows.config.pools import PoolSettings
from flows.config.run import RunSettings
from tasks.align import AlignOptions
from tasks.diarize import DiarizeOptions
from tasks.models.options import ModelOptions
from tasks.transcribe import TranscribeOptions
from tasks.write import WriteOptions


class Command(
    BaseSettings, TranscribeOptions, AlignOptions, DiarizeOptions, WriteOptions, ModelOptions, PoolSettings, RunSettings
):
    """The command line, flat and with the names of the `whisperx` program and of the predecessor."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        cli_parse_none_str="None",
        cli_hide_none_type=True,
        cli_avoid_json=True,
        cli_shortcuts={"output_dir": "o", "output_format": "f", "log_level": "log-level"},
        extra="forbid",
        frozen=True,
    )

    batch_file: str | None = Field(None, description="file with one path a line, or separated by NULs")
    manifest: str | None = Field(None, description=Inputs.model_fields["manifest"].description)
    include: list[str] = Field(default_factory=list, description=Inputs.model_fields["include"].description)
    exclude: list[str] = Field(default_factory=list, description=Inputs.model_fields["exclude"].description)
    input_roots: list[str] = Field(default_factory=list, description=Inputs.model_fields["input_roots"].description)
    only: Literal["failed"] | None = Field(None, description=Inputs.model_fields["only"].description)
    of_report: str | None = Field(None, description=Inputs.model_fields["of_report"].description)
    overwrite: CliToggleFlag[bool] = Field(False, description=RunSettings.model_fields["overwrite"].description)
    retry_failed: CliToggleFlag[bool] = Field(False, description=RunSettings.model_fields["retry_failed"].description)
    dry_run: CliToggleFlag[bool] = Field(False, description="print the plan and stop; no model is loaded")
    no_align: CliToggleFlag[bool] = Field(False, description="no word timings")
    diarize: CliToggleFlag[bool] = Field(False, description="label words and segments with speakers")
    suppress_numerals: CliToggleFlag[bool] = Field(
        False, description=TranscribeOptions.model_fields["suppress_numerals"].description
    )
    return_char_alignments: CliToggleFlag[bool] = Field(
        False, description=AlignOptions.model_fields["return_char_alignments"].description
    )
    temperature_fallback: CliToggleFlag[bool] = Field(
        False, description=TranscribeOptions.model_fields["temperature_fallback"].description
    )
    by_default: CliSuppress[bool] = Field(True, description="what --diarize says")
    speaker_embeddings: CliToggleFlag[bool] = Field(
        False, description=DiarizeOptions.model_fields["speaker_embeddings"].description
    )
    exclusive_speakers: CliToggleFlag[bool] = Field(
        False, description=DiarizeOptions.model_fields["exclusive_speakers"].description
    )
    offline: CliToggleFlag[bool] = Field(False, description=ModelOptions.model_fields["offline"].description)
    hf_token: SecretStr | None = Field(
        None, description="Hugging Face token for gated models; better set HF_TOKEN, which no process list shows"
    )
    log_level: Literal["debug", "info", "warning", "error", "critical"] | None = Field(
        None, description="lowest level of log lines to show (default: critical)"
    )

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
        options = set(settings_cls.model_fields)
        check_environment(options)
        return init_settings, Environment(settings_cls), InitSettingsSource(settings_cls, read_settings(options))

    def batch(self, inputs: list[str]) -> Batch:
        """Return the batch that the command asks for. Raises pydantic.ValidationError."""
        aligned = not self.no_align and self.task != "translate"
        return Batch(
            inputs=Inputs(inputs=inputs, **self._given(Inputs)),
            transcribe=TranscribeOptions(**self._given(TranscribeOptions)),
            align=AlignOptions(**self._given(AlignOptions)) if aligned else None,
            diarize=self._diarizing(),
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

    def _given(self, group: type[BaseModel]) -> dict[str, Any]:
        return {name: getattr(self, name) for name in group.model_fields if name in self.model_fields_set}


class ModelsCommand(Command):
    """The options of `whisperx-batch`, and the languages to expect."""

    languages: list[str] = Field(
        default_factory=list, description="languages to fetch aligners for, such as en,de,ja (default: --language)"
    )
