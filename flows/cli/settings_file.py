"""The settings file: where it lies, and what one in the current folder may set."""

import os
import re
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from platformdirs import user_config_path

from flows.config.pools import PoolSettings
from tasks.align import AlignOptions
from tasks.diarize import DiarizeOptions
from tasks.errors import InvalidInput, closest
from tasks.transcribe import TranscribeOptions
from tasks.write import WriteOptions

NAME = "whisperx-batch.toml"
VARIABLE = "WHISPERX_BATCH_SETTINGS_FILE"
GROUPS = (TranscribeOptions, AlignOptions, DiarizeOptions, WriteOptions, PoolSettings)
HARMLESS = frozenset(name for group in GROUPS for name in group.model_fields) - {
    *("model", "align_model", "diarize_model"),  # a model can run code when it is loaded
    "output_dir",
} | {
    *("include", "exclude", "diarize", "no_align", "device", "threads"),
    *("stop_after", "stage_timeout", "audio_budget", "verbose", "log_level"),
}
"""What a file in the current folder, which may have come with the recordings, may set: how they are transcribed, but no
model, file, folder, address or token, and nothing that lifts a restriction."""


def user_file() -> Path:
    """Return where the user's own settings file is."""
    return user_config_path("whisperx-batch") / NAME


def settings_files() -> list[Path]:
    """Return the existing settings files; later ones win. Raises InvalidInput if the one in VARIABLE is missing."""
    if named := os.environ.get(VARIABLE):
        if not os.path.isfile(named):
            raise InvalidInput(f"{VARIABLE}: no file {named}")
        return [Path(named)]
    return [path for path in (user_file(), Path(NAME)) if path.is_file()]


def read_settings(options: Collection[str]) -> dict[str, Any]:
    """Return the options that the settings files set. Raises InvalidInput, which names the file and the line."""
    values: dict[str, Any] = {}
    for path in settings_files():
        found = _read(path)
        for key in found:
            if key not in options:
                raise InvalidInput(f"{_place(path, key)}: there is no option {key!r}{closest(key, options)}")
            if path == Path(NAME) and key not in HARMLESS:
                raise InvalidInput(
                    f"{_place(path.absolute(), key)}: {key} cannot be set by a file in the current folder, which may "
                    f"have come with the recordings: move it to {user_file()}, or name the file in {VARIABLE}"
                )
        values |= found
    return values


def place_of(option: str) -> str | None:
    """Return the file and the line that set an option, and its name; None if no settings file sets it."""
    setting = [path for path in settings_files() if option in _read(path)]
    return f"{_place(setting[-1], option)}: {option}" if setting else None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path}: the settings file cannot be read: {error}") from None


def _place(path: Path, key: str) -> str:
    """Return the file, and the line on which a key is set; tomllib does not tell it."""
    sets = re.compile(rf"""\s*(\[\s*)*["']?{re.escape(key)}["']?\s*[.=\]]""")
    lines = path.read_text(encoding="utf-8").splitlines()
    line = next((number for number, text in enumerate(lines, start=1) if sets.match(text)), None)
    return f"{path}, line {line}" if line else str(path)
