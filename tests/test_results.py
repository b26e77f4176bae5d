"""tasks/results.py and tasks/revisions.py: keys that change with what changes a result, and with nothing else."""

import shutil
from pathlib import Path

import pytest
from conftest import CACHE

from tasks.diarize import Diarization
from tasks.models import ModelOptions
from tasks.results import StoredResult, options_digest, result_key, result_store
from tasks.revisions import revision
from tasks.transcribe import IGNORED_BY_WHISPERX, NEVER_USED, TranscribeOptions, Transcript

ANYWHERE = ModelOptions()


def keep(folder: Path, key: str, result: object) -> StoredResult:
    """Store a result as Prefect does."""
    store = result_store(str(folder))
    store.persist_result_record(store.create_result_record(result, key=key))
    return StoredResult(str(folder), key)


def test_results_come_back_as_they_were(tmp_path: Path) -> None:
    """From JSON: the last digit of a float, what is no number, tuples, any script."""
    words = [{"word": "naïve\u2019 日本", "start": 0.1 + 0.2, "score": 1 / 3}]
    transcript = Transcript("ja", {"segments": [{"start": 0.0, "words": words}]})
    assert keep(tmp_path, "align/v1/x", transcript).read() == transcript
    diarization = Diarization([(0.1, 0.2, "SPEAKER_00")], {"SPEAKER_00": [0.1, -2e-9]})
    assert keep(tmp_path, "diarize/v1/x", diarization).read() == diarization
    assert (tmp_path / "align" / "v1" / "x").read_text().startswith("{")


def test_results_may_be_moved(tmp_path: Path) -> None:
    """With the output folder that they lie in."""
    keep(tmp_path / "here", "align/v1/x", Transcript("en", {}))
    shutil.move(tmp_path / "here", tmp_path / "there")
    moved = StoredResult(str(tmp_path / "there"), "align/v1/x")
    assert moved.exists()
    assert moved.read() == Transcript("en", {})


def test_a_result_that_is_not_whole_is_none(tmp_path: Path) -> None:
    """Nor is one that is not there."""
    stored = keep(tmp_path, "align/v1/x", Transcript("en", {}))
    path = tmp_path / stored.key
    path.write_bytes(path.read_bytes()[:-20])
    assert not stored.exists()
    assert not StoredResult(str(tmp_path), "align/v1/y").exists()


def test_keys_are_legible() -> None:
    """Stage, version, content, options."""
    assert result_key("align", "00ff", "12ab") == "align/v2/00ff-12ab"


def test_every_option_counts_but_those_that_change_nothing(tiny_en: str) -> None:
    """A new option of this program counts until somebody says that it does not."""
    told = TranscribeOptions(model=tiny_en).identity(ANYWHERE)
    without = {"audio_track", "batch_size", "print_progress"}  # the track is told by the content's own key
    assert TranscribeOptions.model_fields.keys() - told.keys() == {*without, *IGNORED_BY_WHISPERX}
    assert options_digest(told) != options_digest({**told, "beam_size": 1})
    told = TranscribeOptions(model=tiny_en, temperature_fallback=True).identity(ANYWHERE)
    assert TranscribeOptions.model_fields.keys() - told.keys() == {*without, *NEVER_USED}


def test_a_model_is_known_by_its_weights_not_by_its_place(small_models: Path, tmp_path: Path) -> None:
    """A copy is the same model; one bit more is another."""
    original = small_models / "align-tiny"
    copy = shutil.copytree(original, tmp_path / "copy")
    assert revision(str(copy), None, offline=True) == revision(str(original), None, offline=True)
    other = shutil.copytree(original, tmp_path / "other")
    with (other / "model.safetensors").open("ab") as weights:
        weights.write(b"\0")
    assert revision(str(other), None, offline=True) != revision(str(original), None, offline=True)


def test_a_model_of_the_hub_is_known_by_the_weights_that_are_cached(tmp_path: Path) -> None:
    """Not by the commit, which changes with the words of its card."""
    repository = tmp_path / "models--Systran--faster-whisper-tiny"
    for commit, weights in (("1" * 40, "a" * 64), ("2" * 40, "a" * 64), ("3" * 40, "b" * 64)):
        snapshot = repository / "snapshots" / commit
        snapshot.mkdir(parents=True)
        (repository / "blobs").mkdir(exist_ok=True)
        (repository / "blobs" / weights).touch()
        (snapshot / "model.bin").symlink_to(repository / "blobs" / weights)
    (repository / "refs").mkdir()
    found = []
    for commit in "123":
        (repository / "refs" / "main").write_text(commit * 40)
        revision.cache_clear()
        found.append(revision("tiny", str(tmp_path), offline=True))
    assert found == [f"tiny@{'a' * 64}", f"tiny@{'a' * 64}", f"tiny@{'b' * 64}"]


@pytest.mark.parametrize("model", ["tiny", "nobody/no-such-model"])
def test_a_model_that_is_not_here_is_known_by_its_name(model: str, tmp_path: Path) -> None:
    """Where the hub is not to be asked."""
    assert revision(model, str(tmp_path), offline=True) == model
    assert CACHE
