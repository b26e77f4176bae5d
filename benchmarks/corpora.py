"""Speech for the benchmarks: files of any length, cut from a loop of the clips that installed packages ship."""

import sys
import wave
from functools import cache
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from conftest import SAMPLES, TWO_SPEAKERS

from tasks.audio import SAMPLE_RATE, Samples, decode

STEP = 7_919
"""Samples between the beginnings of two files, a prime: no two files have the same content until the loop is used up
at every one of its samples. Files that have we would transcribe once."""


@cache
def _loop() -> Samples:
    call = decode(str(TWO_SPEAKERS))[7 * SAMPLE_RATE :]  # before, nobody speaks
    return np.concatenate([call, *(decode(str(clip)) for clip in sorted((SAMPLES / "en").glob("*.wav")))])


def speech(folder: Path, seconds: int, count: int) -> list[Path]:
    """Return so many different files of this length, which are made where they are missing."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{seconds}s-{number:04}.wav" for number in range(count)]
    for number, path in enumerate(paths):
        if not path.exists():
            samples = np.resize(np.roll(_loop(), -STEP * number), seconds * SAMPLE_RATE)
            draft = path.with_suffix(".draft")
            with wave.open(str(draft), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(SAMPLE_RATE)
                file.writeframes(samples.tobytes())
            draft.rename(path)
    return paths
