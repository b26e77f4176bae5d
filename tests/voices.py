"""Voices whose likeness is known, and diarizations with them in place of a model's."""

import base64
from pathlib import Path
from typing import Any, Literal

import numpy as np
from batches import batch_of, planned
from conftest import SAMPLES, copy_distinct

from flows.config.parameters import Batch
from flows.state.folder import OutputFolder
from tasks.diarization.voices import Voice
from tasks.diarize import Diarization
from tasks.storage.results import result_store


def voice(
    seed: int, noise: int = 0, seconds: float = 20.0, bandwidth: Literal["telephone", "full"] = "full", model: str = "m"
) -> Voice:
    """Return one of a person's voices: `noise` numbers them, and any two have a cosine of about 0.8."""
    own = np.random.default_rng(seed).normal(size=192)
    vector = (own + 0.5 * np.random.default_rng([seed, noise]).normal(size=192)).astype("<f4")
    return Voice(base64.b64encode(vector.tobytes()).decode(), seconds, bandwidth, (0.2, 0.9), model)


def recordings(folder: Path, number: int) -> Path:
    """Write so many recordings, all different."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(number):
        copy_distinct(SAMPLES / "en" / "hello_world.wav", folder / f"{i}.wav", i)
    return folder


def diarized(speech: Path, voices: dict[str, dict[str, Voice]], **options: Any) -> Batch:
    """Store a diarization with these voices, by file and label, where a run would."""
    batch = batch_of(speech, diarize={"diarize_model": "some/model", **options})
    store = result_store(OutputFolder.of(batch).results)
    for name, file in planned(batch).items():
        if name in voices:
            turns = [(2.0 * i, 2.0 * i + 1.5, label) for i, label in enumerate(voices[name])]
            result = Diarization(turns, voices=voices[name])
            store.persist_result_record(store.create_result_record(result, key=file.source.keys["diarize"]))
    return batch
