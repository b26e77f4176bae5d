"""Sound for the benchmarks, in files of any length: speech, from clips that installed packages ship, and noise."""

import sys
import wave
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from conftest import SAMPLES, TWO_SPEAKERS

from tasks.load_audio import SAMPLE_RATE, Samples, decode

STEP = 7_919
"""Samples between the beginnings of two files, a prime: no two files have the same content until the loop is used up
at every one of its samples. Files that have we would transcribe once."""


@cache
def _loop() -> Samples:
    call = decode(str(TWO_SPEAKERS))[7 * SAMPLE_RATE :]  # before, nobody speaks
    return np.concatenate([call, *(decode(str(clip)) for clip in sorted((SAMPLES / "en").glob("*.wav")))])


def speech(seconds: int, number: int) -> Samples:
    """Return dense speech, another for each number."""
    return np.resize(np.roll(_loop(), -STEP * number), seconds * SAMPLE_RATE)


def noise(seconds: int, number: int) -> Samples:
    """Return faint noise in which nobody speaks, another for each number."""
    return np.random.default_rng(number).normal(0, 3, seconds * SAMPLE_RATE).astype(np.int16)


def made(folder: Path, sound: Callable[[int, int], Samples], seconds: int, count: int) -> list[Path]:
    """Return so many different files of this sound and length, which are made where they are missing."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{sound.__name__}-{seconds}s-{number:04}.wav" for number in range(count)]
    for number, path in enumerate(paths):
        if not path.exists():
            draft = path.with_suffix(".draft")
            with wave.open(str(draft), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(SAMPLE_RATE)
                file.writeframes(sound(seconds, number).tobytes())
            draft.rename(path)
    return paths
