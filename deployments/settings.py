"""What can be set of the deployments: in the environment, or in deployments/.env."""

import sys
from pathlib import Path

from prefect.client.schemas.schedules import CronSchedule
from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from tzlocal import get_localzone_name

from flows.config.deadline import STOP_AFTER


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
    nightly_cron: str = Field("0 22 * * *", description="when `nightly` starts, as cron has it")
    nightly_timezone: str = Field(
        default_factory=lambda: get_localzone_name() or "UTC", description="where that is the time"
    )
    nightly_stop_after: str = Field("06:30", pattern=STOP_AFTER, description="when `nightly` begins no more files")
    nightly_active: bool | None = Field(None, description="whether `nightly` starts by itself (default: as it was)")
    prefect_port: int = Field(4200, validation_alias="PREFECT_SERVER_API_PORT", description="port of the server")
    hf_token: SecretStr | None = Field(None, validation_alias="HF_TOKEN", description="token for gated models")
    ray_port: int = Field(6379, description="port of the Ray head that `make up` starts; its other ports follow it")
    webhook_url: SecretStr | None = Field(None, description="where `make automations` sends what has failed")

    @model_validator(mode="after")
    def _schedule_is_possible(self) -> "DeploymentSettings":
        CronSchedule(cron=self.nightly_cron, timezone=self.nightly_timezone)
        return self


def read_settings() -> DeploymentSettings:
    """Return the settings. Raises SystemExit, after it has said what is wrong in them."""
    try:
        return DeploymentSettings()
    except ValidationError as error:
        for problem in error.errors():
            name = "_".join(map(str, problem["loc"])) or "nightly_cron or _timezone"
            sys.stderr.write(f"{'' if name.isupper() else 'WHISPERX_BATCH_'}{name.upper()}: {problem['msg']}\n")
        sys.exit(1)
