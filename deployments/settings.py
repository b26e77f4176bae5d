"""What can be set of the deployments: in the environment, or in deployments/.env."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prefect.client.schemas.schedules import CronSchedule
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from tzlocal import get_localzone_name

from flows.config.deadline import StopAfter
from flows.config.run import RunSettings
from flows.preflight.models import check_whisper_name
from tasks.diarize import DiarizeOptions
from tasks.options import Options
from tasks.transcribe import TranscribeOptions
from tasks.write import WriteOptions

OPTIONS: dict[str, tuple[str, type[Options]]] = {
    "model": ("transcribe", TranscribeOptions),
    "language": ("transcribe", TranscribeOptions),
    "output_format": ("write", WriteOptions),
    "diarize_model": ("diarize", DiarizeOptions),
    "keep_warm": ("run", RunSettings),
}
"""The options among the settings: the group of parameters that each belongs to, and its class."""


class DeploymentSettings(BaseSettings):
    """Each is also WHISPERX_BATCH_<NAME> in the environment."""

    model_config = SettingsConfigDict(
        env_prefix="WHISPERX_BATCH_",
        env_file=Path(__file__).parent / ".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )

    recordings: Path = Field(Path("recordings"), description="folder that the deployments transcribe")
    transcripts: Path = Field(Path("transcripts"), description="folder for their outputs")
    model: str | None = Field(None, description="Whisper model of the deployments")
    language: str | None = Field(None, description="language of all recordings (default: detected for each file)")
    output_format: str | None = Field(None, description="formats of their outputs, separated by commas")
    diarize: bool = Field(False, description="whether they label speakers")
    diarize_model: str | None = Field(None, description="with what; needs `diarize`")
    keep_warm: str | None = Field(None, description="how long the processes and their models stay after a run")
    nightly_cron: str = Field("0 22 * * *", description="when `nightly` starts, as cron has it")
    nightly_timezone: str = Field(
        default_factory=lambda: get_localzone_name() or "UTC", description="where that is the time"
    )
    nightly_stop_after: StopAfter = Field("06:30", description="when `nightly` begins no more files")
    nightly_active: bool | None = Field(None, description="whether `nightly` starts by itself (default: as it was)")
    nightly_after_canary: bool = Field(False, description="whether `make automations` lets the canary start `nightly`")
    prefect_port: int = Field(4200, validation_alias="PREFECT_SERVER_API_PORT", description="port of the server")
    hf_token: SecretStr | None = Field(None, validation_alias="HF_TOKEN", description="token for gated models")
    ray_port: int = Field(6379, description="port of the Ray head that `make up` starts; its other ports follow it")
    webhook_url: SecretStr | None = Field(None, description="where `make automations` sends what has failed")

    @field_validator(*OPTIONS)
    @classmethod
    def _option_is_possible(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.field_name:
            with _in_words():
                OPTIONS[info.field_name][1](**{info.field_name: value})
        return value

    @field_validator("model")
    @classmethod
    def _model_is_known(cls, value: str | None) -> str | None:
        if value is not None:
            check_whisper_name("model", value)
        return value

    @field_validator("nightly_cron")
    @classmethod
    def _cron_is_possible(cls, value: str) -> str:
        with _in_words():
            CronSchedule(cron=value)
        return value

    @field_validator("nightly_timezone")
    @classmethod
    def _timezone_is_known(cls, value: str) -> str:
        with _in_words():
            CronSchedule(cron="0 22 * * *", timezone=value)
        return value

    @field_validator("diarize_model")
    @classmethod
    def _is_used(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and not info.data.get("diarize", True):
            raise ValueError("has no effect without WHISPERX_BATCH_DIARIZE=true")
        return value

    def parameters(self) -> dict[str, dict[str, Any]]:
        """Return the options that are set as parameters of the flow, by group."""
        groups: dict[str, dict[str, Any]] = {"diarize": {}} if self.diarize else {}
        for name, (group, _) in OPTIONS.items():
            if (value := getattr(self, name)) is not None:
                groups.setdefault(group, {})[name] = value
        return groups


def read_settings() -> DeploymentSettings:
    """Return the settings. Raises SystemExit, after it has said what is wrong in them."""
    try:
        return DeploymentSettings()
    except ValidationError as error:
        for problem in error.errors():
            name = "_".join(map(str, problem["loc"]))
            message = _plain(problem["msg"])
            sys.stderr.write(f"{'' if name.isupper() else 'WHISPERX_BATCH_'}{name.upper()}: {message}\n")
        sys.exit(1)


@contextmanager
def _in_words() -> Iterator[None]:
    """Raise ValueError with the message of a ValidationError: of a value that is part of another model."""
    try:
        yield
    except ValidationError as error:
        raise ValueError(_plain(error.errors()[0]["msg"])) from None


def _plain(message: str) -> str:
    return message.removeprefix("Value error, ")
