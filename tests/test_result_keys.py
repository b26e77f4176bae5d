"""The keys of stored results are what they were: were one to change, every archive would be transcribed again."""

from typing import Any

import pytest

from flows.config.file_overrides import FileOverrides
from flows.config.parameters import Batch
from flows.planning.wanted import Wanted

TUNED = {
    "transcribe": {"model": "tiny", "temperature_fallback": True, "language": "German", "batch_size": 3},
    "align": {"align_model": "de=some/a, Japanese=some/b,pl=whisper"},
}


@pytest.mark.parametrize(
    ("options", "stages", "outputs"),
    [
        ({"check": None}, {"transcribe": "81cc183fdaf6ff7f", "align": "70b47b5ee3d29fc3"}, "de66484168088e97"),
        (
            TUNED,
            {"transcribe": "b79db81132e184e7", "align": "09b94ec5edd464d7", "check": "ebdf4b9ae4aea12a"},
            "72ade0ba3aacdcf5",
        ),
        (
            {"diarize": {"min_speakers": 2, "by_default": False}},
            {
                "transcribe": "81cc183fdaf6ff7f",
                "align": "70b47b5ee3d29fc3",
                "diarize": "400c7dd911edb430",
                "check": "562d59c1879d29fc",
            },
            "0e00f9aa96e3f13d",
        ),
    ],
)
def test_the_digests_of_options_stay_the_same(options: dict[str, Any], stages: dict[str, str], outputs: str) -> None:
    """As of version 0.2, with the releases that it is locked to, and models that are known by their names alone.

    Those of the check have the number of its rules.
    """
    models = {"model_cache_only": True, "model_dir": "/no/such"}
    batch = Batch.model_validate({"models": models, "transcribe": {"model": "tiny"}, **options})
    wanted = Wanted.by(batch, FileOverrides(diarize=True) if batch.diarize else FileOverrides())
    assert (wanted.stages, wanted.outputs) == (stages, outputs)
