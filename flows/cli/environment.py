"""Options in the environment: WHISPERX_BATCH_<OPTION>."""

import json
import os
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource

from tasks.errors import InvalidInput, closest

PREFIX = "WHISPERX_BATCH_"
OTHERS = {
    *("settings_file", "languages"),
    # Those of the deployments: deployments/settings.py, deployments/box.py.
    *("recordings", "transcripts", "ray_port", "ray_folder", "webhook_url", "bin", "state"),
    *("nightly_cron", "nightly_timezone", "nightly_stop_after", "nightly_active", "nightly_after_canary"),
}
"""Variables with our prefix that are not options of the command."""


class Environment(EnvSettingsSource):
    """Reads the options: lists have commas, an empty value is none, and None unsets an option."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        super().__init__(settings_cls, env_prefix=PREFIX, env_ignore_empty=True, env_parse_none_str="None")

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:  # noqa: ARG002, pydantic's form
        """Return a list: from JSON, or separated by commas. A pattern may begin with a bracket and is not JSON."""
        try:
            decoded = json.loads(value)
        except ValueError:
            decoded = None
        if isinstance(decoded, list) and all(isinstance(each, str) for each in decoded):
            return decoded
        return [part.strip() for part in value.split(",") if part.strip()]


def variable_of(option: str) -> str | None:
    """Return the variable that sets an option, if one does."""
    return next((name for name in os.environ if name.upper() == f"{PREFIX}{option.upper()}" and os.environ[name]), None)


def check_environment(options: set[str]) -> None:
    """Raise InvalidInput for a variable with our prefix that sets nothing: most likely it is misspelt."""
    for variable in os.environ:
        name = variable.lower().removeprefix(PREFIX.lower())
        if not variable.upper().startswith(PREFIX) or name in options | OTHERS or name.startswith("test_"):
            continue
        if name == "inputs":
            raise InvalidInput(
                f"{variable}: inputs are named on the command line, or in the file of {PREFIX}BATCH_FILE"
            )
        raise InvalidInput(f"{variable}: there is no such option{closest(name, options)}; unset it or correct it")
