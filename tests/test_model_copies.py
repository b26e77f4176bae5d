"""tasks/models/local_copies.py: models in a store."""

import os
from pathlib import Path

import pytest

from flows.preflight.paths import check_model
from tasks.bad_input import BadInput
from tasks.models.fingerprints import revision
from tasks.models.local_copies import at_hand
from tasks.storage.filesystems import BadPlace
from tasks.storage.io import put


@pytest.fixture(name="cache")
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    at_hand.cache_clear()
    revision.cache_clear()
    return tmp_path / "cache" / "whisperx-batch" / "models"


def test_a_model_in_a_store_is_copied_once_and_anew_when_it_changes(bucket: str, cache: Path, tmp_path: Path) -> None:
    """With its folders; it counts as the same model as one in a folder here."""
    files = {"model.bin": b"weights", "sub/config.json": b"{}"}
    put({f"{bucket}/m/{name}": content for name, content in files.items()})
    put({str(tmp_path / "m" / name): content for name, content in files.items()})
    copy = Path(at_hand(f"{bucket}/m"))
    assert {str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file()} == set(files)
    assert revision(f"{bucket}/m", None, offline=True) == revision(str(tmp_path / "m"), None, offline=True)
    before = os.stat(copy / "model.bin")
    at_hand.cache_clear()
    assert at_hand(f"{bucket}/m/") == str(copy)
    assert os.stat(copy / "model.bin").st_mtime_ns == before.st_mtime_ns
    put({f"{bucket}/m/model.bin": b"others!"})
    at_hand.cache_clear()
    assert Path(at_hand(f"{bucket}/m"), "model.bin").read_bytes() == b"others!"
    assert not list(cache.glob("whisperx-batch-*"))


def test_what_a_killed_process_has_copied_of_a_model_is_removed(bucket: str, cache: Path) -> None:
    """Gigabytes, which nobody would miss."""
    put({f"{bucket}/m/model.bin": b"weights"})
    left = cache / "whisperx-batch-copy-killed" / "model"
    left.mkdir(parents=True)
    assert os.path.isdir(at_hand(f"{bucket}/m"))
    assert not left.parent.exists()


def test_a_name_that_is_no_url_stays_what_it_is() -> None:
    """A folder, a name of the Hub."""
    assert at_hand("large-v3") == "large-v3"
    assert at_hand("/models/x") == "/models/x"


def test_a_url_without_a_model_is_refused(bucket: str, cache: Path) -> None:
    """Before anything starts."""
    with pytest.raises(BadPlace, match="there is no model"):
        at_hand(f"{bucket}/none")
    put({f"{bucket}/m/readme.txt": b"x"})
    with pytest.raises(BadInput, match=r"--model s3://.*: no model.bin there"):
        check_model("model", f"{bucket}/m", ("model.bin",))
    put({f"{bucket}/m/model.bin": b"x"})
    check_model("model", f"{bucket}/m", ("model.bin",))
