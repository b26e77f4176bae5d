"""Aligners of several languages in one process, and what there is where one cannot be loaded."""

from pathlib import Path

import pytest
import torch

from tasks.alignment import selection
from tasks.alignment.selection import CROSS_ATTENTION, MOST, SEGMENTS, best_rung
from tasks.models.cache import ModelOptions, loads, share
from tasks.models.registry import default_aligners
from tasks.whisper.loading import WhisperOptions

CPU = ModelOptions(device="cpu", threads=3, model_cache_only=True)  # as no other test has it
NOBODYS = "nobody/no-such-aligner"


@pytest.fixture(name="whisper")
def _whisper(tiny_en: str, monkeypatch: pytest.MonkeyPatch) -> WhisperOptions:
    share.take(parallel=1, threads=1)
    # As if long ago: no test waits for what another could not load.
    monkeypatch.setattr(selection, "_failed", {})
    monkeypatch.setattr("tasks.faults.RETRY_DELAYS_S", [])
    return WhisperOptions(model=tiny_en, compute_type="int8")


def test_the_last_few_languages_stay_warm(whisper: WhisperOptions, small_models: Path) -> None:
    """The one that was used the longest ago makes room; who has it may go on with it."""
    model, languages = str(small_models / "align-tiny"), ["de", "en", "es", "fr", "it", "nl"]
    assert len(languages) == MOST + 1
    before = loads["align"]
    first = {language: best_rung(language, model, whisper, CPU) for language in languages[:MOST]}
    assert best_rung("de", model, whisper, CPU).aligner is first["de"].aligner
    assert loads["align"] - before == MOST
    best_rung(languages[MOST], model, whisper, CPU)  # en goes
    assert best_rung("de", model, whisper, CPU).aligner is first["de"].aligner
    assert loads["align"] - before == MOST + 1
    assert best_rung("en", model, whisper, CPU).aligner is not first["en"].aligner
    assert loads["align"] - before == MOST + 2
    assert first["en"].aligner[0].training is False


def test_a_language_without_aligner_does_not_drop_those_of_others(whisper: WhisperOptions, small_models: Path) -> None:
    """Once it is known to fail: the first try needs the room of one."""
    model, languages = str(small_models / "align-tiny"), ["de", "en", "es", "fr", "it"]
    models = CPU.model_copy(update={"threads": 5})
    best_rung("cy", NOBODYS, whisper, models)
    first = {language: best_rung(language, model, whisper, models).aligner for language in languages}
    before = loads["align"]
    for language in languages:
        rung = best_rung("cy", NOBODYS, whisper, models)
        assert (rung.name, len(rung.failed)) == (CROSS_ATTENTION, 1)
        assert best_rung(language, model, whisper, models).aligner is first[language]
    assert loads["align"] == before


def test_what_cannot_be_loaded_is_followed_by_the_next_best(whisper: WhisperOptions) -> None:
    """The named aligner, WhisperX's, Whisper's attention, nothing; with what went wrong each time."""
    rung = best_rung("ja", NOBODYS, whisper, CPU)
    assert rung.name == CROSS_ATTENTION
    assert [failed.partition(":")[0] for failed in rung.failed] == [NOBODYS, default_aligners()["ja"]]
    assert "OSError" in rung.failed[0]
    gone = whisper.model_copy(update={"model": "/no/such/folder"})
    rung = best_rung("cy", NOBODYS, gone, CPU)
    assert rung.name == SEGMENTS
    assert [failed.partition(":")[0] for failed in rung.failed] == [NOBODYS, CROSS_ATTENTION]


def test_a_language_without_an_aligner_has_whispers_attention(whisper: WhisperOptions) -> None:
    """That is no failure: WhisperX, which has none, ends there."""
    import whisperx

    with pytest.raises(ValueError, match="No default align-model for language: cy"):
        whisperx.load_align_model("cy", "cpu")
    rung = best_rung("cy", None, whisper, CPU)
    assert (rung.name, rung.failed) == (CROSS_ATTENTION, [])


def test_whispers_attention_that_was_asked_for_needs_nothing_else(whisper: WhisperOptions) -> None:
    """No aligner is tried before it."""
    before = loads["align"]
    rung = best_rung("en", CROSS_ATTENTION, whisper, CPU)
    assert (rung.name, rung.failed, loads["align"]) == (CROSS_ATTENTION, [], before)


def test_a_load_that_failed_is_not_tried_file_by_file(
    whisper: WhisperOptions, small_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor for ever: after some minutes it may be there."""
    place = tmp_path / "aligner"
    assert best_rung("cy", str(place), whisper, CPU).failed
    place.symlink_to(small_models / "align-tiny")
    assert best_rung("cy", str(place), whisper, CPU).name == CROSS_ATTENTION
    monkeypatch.setattr(selection, "FORGET_S", 0.0)
    rung = best_rung("cy", str(place), whisper, CPU)
    assert (rung.name, rung.failed) == (str(place), [])


def test_an_aligner_computes_in_full_precision(small_models: Path) -> None:
    """As in the `whisperx` program; TensorFloat-32 gives a GPU's words other times and scores."""
    with torch.backends.cudnn.flags(allow_tf32=True):
        best_rung("en", str(small_models / "align-tiny"), WhisperOptions(), ModelOptions(device="cpu", threads=7))
        assert not torch.backends.cudnn.allow_tf32
