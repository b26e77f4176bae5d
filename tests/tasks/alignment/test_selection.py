"""Aligners of several languages in one process, and what there is where one cannot be loaded."""

import errno
import shutil
from pathlib import Path

import pytest
import torch

from tasks.alignment import selection
from tasks.alignment.selection import CROSS_ATTENTION, MOST, SEGMENTS, select_timing_method
from tasks.models.cache import load_counts
from tasks.models.compute_limits import compute_limits
from tasks.models.options import ModelOptions
from tasks.models.registry import aligner_version, default_aligners
from tasks.whisper.loading import WhisperOptions

CPU = ModelOptions(device="cpu", threads=3, model_cache_only=True)  # as no other test has it
NOBODYS = "nobody/no-such-aligner"


@pytest.fixture(name="whisper")
def _whisper(tiny_en: str, monkeypatch: pytest.MonkeyPatch) -> WhisperOptions:
    compute_limits.configure(parallel=1, threads=1)
    # As if long ago: no test waits for what another could not load.
    monkeypatch.setattr(selection, "_failed", {})
    monkeypatch.setattr("tasks.retries.RETRY_DELAYS_S", [])
    return WhisperOptions(model=tiny_en, compute_type="int8")


def test_the_last_few_languages_stay_warm(whisper: WhisperOptions, small_models: Path) -> None:
    """The one that was used the longest ago makes room; who has it may go on with it."""
    model, languages = str(small_models / "align-tiny"), ["de", "en", "es", "fr", "it", "nl"]
    assert len(languages) == MOST + 1
    before = load_counts["align"]
    first = {language: select_timing_method(language, model, whisper, CPU) for language in languages[:MOST]}
    assert select_timing_method("de", model, whisper, CPU).aligner is first["de"].aligner
    assert load_counts["align"] - before == MOST
    select_timing_method(languages[MOST], model, whisper, CPU)  # en goes
    assert select_timing_method("de", model, whisper, CPU).aligner is first["de"].aligner
    assert load_counts["align"] - before == MOST + 1
    assert select_timing_method("en", model, whisper, CPU).aligner is not first["en"].aligner
    assert load_counts["align"] - before == MOST + 2
    assert first["en"].aligner[0].training is False


def test_a_language_without_aligner_does_not_drop_those_of_others(whisper: WhisperOptions, small_models: Path) -> None:
    """Once it is known to fail: the first try needs the room of one."""
    model, languages = str(small_models / "align-tiny"), ["de", "en", "es", "fr", "it"]
    models = CPU.model_copy(update={"threads": 5})
    select_timing_method("cy", NOBODYS, whisper, models)
    first = {language: select_timing_method(language, model, whisper, models).aligner for language in languages}
    before = load_counts["align"]
    for language in languages:
        method = select_timing_method("cy", NOBODYS, whisper, models)
        assert (method.name, len(method.failed)) == (CROSS_ATTENTION, 1)
        assert select_timing_method(language, model, whisper, models).aligner is first[language]
    assert load_counts["align"] == before


def test_what_cannot_be_loaded_is_followed_by_the_next_best(whisper: WhisperOptions) -> None:
    """The named aligner, WhisperX's, Whisper's attention, nothing; with what went wrong each time."""
    method = select_timing_method("ja", NOBODYS, whisper, CPU)
    assert method.name == CROSS_ATTENTION
    assert [failed.partition(":")[0] for failed in method.failed] == [NOBODYS, default_aligners()["ja"]]
    assert "OSError" in method.failed[0]
    gone = whisper.model_copy(update={"model": "/no/such/folder"})
    method = select_timing_method("cy", NOBODYS, gone, CPU)
    assert method.name == SEGMENTS
    assert [failed.partition(":")[0] for failed in method.failed] == [NOBODYS, CROSS_ATTENTION]


def test_an_aligner_that_is_here_and_does_not_load_is_known_by_its_files(
    whisper: WhisperOptions, small_models: Path, tmp_path: Path
) -> None:
    """One that is not here has no version."""
    torn = shutil.copytree(small_models / "align-tiny", tmp_path / "torn")
    (torn / "model.safetensors").write_bytes(b"torn")
    method = select_timing_method("cy", str(torn), whisper, CPU)
    assert (method.name, method.broken) == (CROSS_ATTENTION, {str(torn): aligner_version("cy", str(torn), None)})
    before = method.broken[str(torn)]
    (torn / "model.safetensors").write_bytes(b"torn again")
    assert aligner_version("cy", str(torn), None) not in {before, ""}
    assert select_timing_method("cy", NOBODYS, whisper, CPU).broken == {}


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        MemoryError(),
        OSError(errno.EIO, "I/O"),
    ],
)
def test_an_aligner_for_which_there_was_no_memory_is_not_broken(
    whisper: WhisperOptions, small_models: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """The next run tries it again, though its files are the same: the fault was the machine's."""

    def full(*_: object) -> None:
        raise error

    monkeypatch.setattr(selection, "_load", full)
    method = select_timing_method("cy", str(small_models / "align-tiny"), whisper, CPU)
    assert (method.name, len(method.failed), method.broken) == (CROSS_ATTENTION, 1, {})


def test_a_language_without_an_aligner_has_whispers_attention(whisper: WhisperOptions) -> None:
    """That is no failure: WhisperX, which has none, ends there."""
    import whisperx

    with pytest.raises(ValueError, match="No default align-model for language: cy"):
        whisperx.load_align_model("cy", "cpu")
    method = select_timing_method("cy", None, whisper, CPU)
    assert (method.name, method.failed) == (CROSS_ATTENTION, [])


def test_whispers_attention_that_was_asked_for_needs_nothing_else(whisper: WhisperOptions) -> None:
    """No aligner is tried before it."""
    before = load_counts["align"]
    method = select_timing_method("en", CROSS_ATTENTION, whisper, CPU)
    assert (method.name, method.failed, load_counts["align"]) == (CROSS_ATTENTION, [], before)


def test_a_load_that_failed_is_not_tried_file_by_file(
    whisper: WhisperOptions, small_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor for ever: after some minutes it may be there."""
    place = tmp_path / "aligner"
    assert select_timing_method("cy", str(place), whisper, CPU).failed
    place.symlink_to(small_models / "align-tiny")
    method = select_timing_method("cy", str(place), whisper, CPU)
    assert (method.name, method.broken) == (CROSS_ATTENTION, {}), "its files were not here when it was tried"
    monkeypatch.setattr(selection, "FORGET_S", 0.0)
    method = select_timing_method("cy", str(place), whisper, CPU)
    assert (method.name, method.failed) == (str(place), [])


def test_an_aligner_computes_in_full_precision(small_models: Path) -> None:
    """As in the `whisperx` program; TensorFloat-32 gives a GPU's words other times and scores."""
    with torch.backends.cudnn.flags(allow_tf32=True):
        select_timing_method(
            "en", str(small_models / "align-tiny"), WhisperOptions(), ModelOptions(device="cpu", threads=7)
        )
        assert not torch.backends.cudnn.allow_tf32
