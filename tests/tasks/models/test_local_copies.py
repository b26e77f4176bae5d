"""tasks/models/local_copies.py: models in a store."""

import os
from pathlib import Path

import pytest

from flows.preflight.paths import check_model
from tasks.errors import InvalidInput
from tasks.models.fingerprints import revision
from tasks.models.local_copies import ensure_local
from tasks.storage.filesystems import UnsupportedLocation
from tasks.storage.io import write_all


@pytest.fixture(name="cache")
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    ensure_local.cache_clear()
    revision.cache_clear()
    return tmp_path / "cache" / "whisperx-batch" / "models"


def test_a_model_in_a_store_is_copied_once_and_anew_when_it_changes(bucket: str, cache: Path, tmp_path: Path) -> None:
    """With its folders; it counts as the same model as one in a folder here."""
    files = {"model.bin": b"weights", "sub/config.json": b"{}"}
    write_all({f"{bucket}/m/{name}": content for name, content in files.items()})
    write_all({str(tmp_path / "m" / name): content for name, content in files.items()})
    copy = Path(ensure_local(f"{bucket}/m"))
    assert {str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file()} == set(files)
    assert revision(f"{bucket}/m", None, offline=True) == revision(str(tmp_path / "m"), None, offline=True)
    before = os.stat(copy / "model.bin")
    ensure_local.cache_clear()
    assert ensure_local(f"{bucket}/m/") == str(copy)
    assert os.stat(copy / "model.bin").st_mtime_ns == before.st_mtime_ns
    write_all({f"{bucket}/m/model.bin": b"others!"})
    ensure_local.cache_clear()
    assert Path(ensure_local(f"{bucket}/m"), "model.bin").read_bytes() == b"others!"
    assert not list(cache.glob("whisperx-batch-*"))


def test_what_a_killed_process_has_copied_of_a_model_is_removed(bucket: str, cache: Path) -> None:
    """Gigabytes, which nobody would miss."""
    write_all({f"{bucket}/m/model.bin": b"weights"})
    left = cache / "whisperx-batch-copy-killed" / "model"
    left.mkdir(parents=True)
    assert os.path.isdir(ensure_local(f"{bucket}/m"))
    assert not left.parent.exists()


def test_a_name_that_is_no_url_stays_what_it_is() -> None:
    """A folder, a name of the Hub."""
    assert ensure_local("large-v3") == "large-v3"
    assert ensure_local("/models/x") == "/models/x"


def test_a_url_without_a_model_is_refused(bucket: str, cache: Path) -> None:
    """Before anything starts."""
    with pytest.raises(UnsupportedLocation, match="there is no model"):
        ensure_local(f"{bucket}/none")
    write_all({f"{bucket}/m/readme.txt": b"x"})
    with pytest.raises(InvalidInput, match=r"--model s3://.*: no model.bin there"):
        check_model("model", f"{bucket}/m", ("model.bin",))
    write_all({f"{bucket}/m/model.bin": b"x"})
    check_model("model", f"{bucket}/m", ("model.bin",))
