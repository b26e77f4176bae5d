"""How fast a batch went, so that the plan of the next one with its options can say when that will end."""

import json
from contextlib import suppress
from pathlib import Path

from tasks.storage.atomic import atomic_write

SPEEDS = "speed.json"
"""In our own folder: seconds of audio for each second of the stages, by the digest of the batch's options."""


def known_speed(folder: Path, options: str) -> float | None:
    """Return the speed of the last batch with these options that did some work, as a multiple of real time."""
    return _read(folder).get(options) or None


def note_speed(folder: Path, options: str, audio_s: float, wall_s: float) -> None:
    """Remember the speed of a batch that did some work."""
    if audio_s and wall_s:
        with suppress(OSError), atomic_write(folder / SPEEDS) as file:
            json.dump(_read(folder) | {options: round(audio_s / wall_s, 3)}, file)


def _read(folder: Path) -> dict[str, float]:
    try:
        return dict(json.loads((folder / SPEEDS).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def expected(folder: Path, options: str, audio_s: float) -> tuple[float, float] | None:
    """Return how many seconds so much audio takes, and the speed, as a multiple of real time; None if that is new."""
    speed = known_speed(folder, options)
    return (audio_s / speed, speed) if speed else None
