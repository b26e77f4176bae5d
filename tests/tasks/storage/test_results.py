"""Keys that change with what changes a result, and with nothing else."""

import json
import os
import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from conftest import CACHE
from prefect.serializers import PickleSerializer

from tasks.audio.options import SoundOptions
from tasks.audio.types import AudioFile
from tasks.diarization.voices import Voice
from tasks.diarize import Diarization
from tasks.models.fingerprints import revision
from tasks.models.options import ModelOptions
from tasks.models.registry import diarizer_parts
from tasks.storage.results import (
    MADE_WITH,
    StoredResult,
    options_digest,
    releases,
    result_key,
    result_store,
    stage_task,
    storage_of,
)
from tasks.transcribe import TranscribeOptions, Transcript

ANYWHERE = ModelOptions()
OFFLINE = ModelOptions(model_cache_only=True)


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
    voices = {"SPEAKER_00": Voice("zcxMPnNzcwA=", 7.25, "telephone", (0.1, 0.2))}
    diarization = Diarization([(0.1, 0.2, "SPEAKER_00")], {"SPEAKER_00": [0.1, -2e-9]}, voices)
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


class Bomb:
    """Leaves a file where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return os.mkdir, (str(self.mark),)


def hostile_records(mark: Path) -> dict[str, bytes]:
    """Return records that Prefect would read, each asking for something else than our JSON."""
    store = result_store(str(mark.parent))
    pickling = store.model_copy(update={"serializer": PickleSerializer()})
    pickled = pickling.create_result_record(Bomb(mark), key="x").serialize()
    record = json.loads(store.create_result_record(None, key="x").serialize())

    def holding(result: Any, **serializer: Any) -> bytes:
        metadata = {**record["metadata"], "serializer": {**record["metadata"]["serializer"], **serializer}}
        return json.dumps({"metadata": metadata, "result": json.dumps(result)}).encode()

    transcript = {"__class__": "tasks.transcribe.Transcript", "data": {"language": "en", "result": {}}}
    inside = {"__class__": "tasks.models.options.ModelOptions", "data": {}}
    return {
        "pickled": pickled,
        "decoder": holding(transcript, object_decoder="os.mkdir"),
        "library": holding(transcript, jsonlib="pickle"),
        "class": holding(inside),
        "class inside": holding({**transcript, "data": {"language": "en", "result": {"a": inside}}}),
        "exception": holding({"__exc_type__": "builtins.SystemExit", "message": "1"}),
        "no record": b"[]",
        "no result": b'{"metadata": {}}',
    }


@pytest.mark.parametrize(
    "kind", ["pickled", "decoder", "library", "class", "class inside", "exception", "no record", "no result"]
)
def test_a_result_that_is_not_our_json_is_none(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Prefect reads a record with the serializer that it names itself: one that says pickle would be unpickled."""
    (tmp_path / "align").mkdir()
    stored = StoredResult(str(tmp_path), "align/x")
    (tmp_path / "align" / "x").write_bytes(hostile_records(tmp_path / "mark")[kind])
    assert not stored.exists()
    stored.remove_unless_ours()
    assert "align/x: removed" in caplog.text
    (tmp_path / "align" / "x").write_bytes(hostile_records(tmp_path / "mark")[kind])
    with pytest.raises(RuntimeError, match="broken and is removed"):
        stored.read()
    assert list((tmp_path / "align").iterdir()) == []
    assert not (tmp_path / "mark").exists()


def test_prefect_does_not_come_to_read_such_a_result(tmp_path: Path, api_url: str) -> None:
    """Its engine looks for the result of a task run before it runs it."""

    @stage_task("align", kept=True)
    def make(file: AudioFile) -> Transcript:
        return Transcript("en", {"segments": []})

    (tmp_path / "align").mkdir()
    (tmp_path / "align" / "x").write_bytes(hostile_records(tmp_path / "mark")["pickled"])
    made = make.with_options(result_storage=storage_of(str(tmp_path)))
    assert made(AudioFile("/in/a.wav", "a.wav", keys={"align": "align/x"})) == Transcript("en", {"segments": []})
    assert not (tmp_path / "mark").exists()
    assert StoredResult(str(tmp_path), "align/x").read() == Transcript("en", {"segments": []})


def test_a_release_that_changes_results_is_part_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of today are not, so that what is there stays done; nor a fix, which would redo whole archives."""
    assert releases(*MADE_WITH) == {}
    monkeypatch.setitem(MADE_WITH, "torch", "2.7")
    releases.cache_clear()
    assert releases(*MADE_WITH) == {"torch": "2.8"}
    assert TranscribeOptions(model="tiny").cache_inputs(OFFLINE)["torch"] == "2.8"
    monkeypatch.undo()
    releases.cache_clear()
    assert "torch" not in TranscribeOptions(model="tiny").cache_inputs(OFFLINE)


def test_which_releases_count_is_said_for_the_versions_that_are_locked() -> None:
    """An upgrade of the lock fails here: then it is to be decided whether it changes results."""
    assert all(version(package).startswith(f"{release}.") for package, release in MADE_WITH.items())


def test_the_weights_of_a_pipelines_parts_count(tmp_path: Path, small_models: Path) -> None:
    """Of one from the Hub, whose config.yaml says nothing of them; also those that lie in other repositories."""
    cache = tmp_path / "hub"

    def cached(repository: str, **files: bytes) -> None:
        folder = cache / f"models--{repository.replace('/', '--')}"
        for name, content in files.items():
            path = folder / "snapshots" / ("1" * 40) / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (folder / "refs").mkdir(exist_ok=True)
        (folder / "refs" / "main").write_text("1" * 40)

    def parts() -> dict[str, str]:
        diarizer_parts.cache_clear()
        return diarizer_parts("some/pipeline", str(cache), offline=True)

    config = (
        b"pipeline:\n  name: p.SpeakerDiarization\n  params:\n    segmentation: $model/segmentation\n"
        b"    embedding: other/embedding\n    plda: {checkpoint: some/pipeline, subfolder: plda}\n"
    )
    cached("some/pipeline", **{"config.yaml": config, "segmentation__pytorch_model.bin": b"one"})
    cached("other/embedding", **{"pytorch_model.bin": b"one"})
    first = parts()
    assert first.keys() == {"some/pipeline", "other/embedding"}
    cached("other/embedding", **{"pytorch_model.bin": b"two", "README.md": b"words"})
    second = parts()
    assert (second["some/pipeline"], second["other/embedding"] == first["other/embedding"]) == (
        first["some/pipeline"],
        False,
    )
    cached("some/pipeline", **{"segmentation__pytorch_model.bin": b"two", "segmentation__notes.txt": b"words"})
    assert parts()["some/pipeline"] != first["some/pipeline"]
    assert diarizer_parts(str(small_models / "diarize-tiny"), None, offline=True) == {}


def test_keys_are_legible() -> None:
    """Stage, version, content, options."""
    assert result_key("align", "00ff", "12ab") == "align/v2/00ff-12ab"


NEVER_USED = ("condition_on_previous_text", "fp16")
IGNORED_BY_WHISPERX = (
    *("temperature", "temperature_increment_on_fallback", "compression_ratio_threshold", "logprob_threshold"),
    *("no_speech_threshold", "best_of", *NEVER_USED),
)


def test_every_option_counts_but_those_that_change_nothing(tiny_en: str) -> None:
    """A new option of this program counts until somebody says that it does not."""
    told = TranscribeOptions(model=tiny_en).cache_inputs(ANYWHERE)
    sound = SoundOptions.model_fields.keys()  # these count in the key of the content
    without = {*sound, "batch_size", "print_progress"}
    assert TranscribeOptions.model_fields.keys() - told.keys() == {*without, *IGNORED_BY_WHISPERX}
    assert options_digest(told) != options_digest({**told, "beam_size": 1})
    told = TranscribeOptions(model=tiny_en, temperature_fallback=True).cache_inputs(ANYWHERE)
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
