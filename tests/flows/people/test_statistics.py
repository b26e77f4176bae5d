"""Nothing about samples of voices is sent to the maker of pyannote.audio."""

import pytest

from flows.people.samples import _voices
from tasks.diarize import DiarizeOptions
from tasks.models.options import ModelOptions


def test_the_process_that_makes_voices_sends_no_usage_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are on by default, and have the length of each sample."""
    monkeypatch.setenv("PYANNOTE_METRICS_ENABLED", "")  # put back afterwards
    monkeypatch.delenv("PYANNOTE_METRICS_ENABLED")
    assert _voices([], DiarizeOptions(), ModelOptions()) == []
    from pyannote.audio.telemetry.metrics import is_metrics_enabled

    assert not is_metrics_enabled()
