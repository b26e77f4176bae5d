"""What lies where, and who may read it."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.host.home import substitute_home
from flows.host.private_folder import in_empty_folder, private_folder
from flows.host.ray_token import SET_BY_USER, provide_token


@pytest.fixture(name="short")
def _short(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder with a path that is short enough for Ray's sockets."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="t") as folder:
        monkeypatch.setenv("RAY_TMPDIR", folder)
        private_folder.cache_clear()
        yield Path(folder)
    private_folder.cache_clear()


def mode(path: Path) -> int:
    """Return the permissions of a file or folder."""
    return path.stat().st_mode & 0o777


def test_only_its_user_can_enter_the_private_folder(short: Path) -> None:
    """Also when somebody has opened it since the last run, and whatever the umask is."""
    before = os.umask(0)
    try:
        folder = private_folder()
    finally:
        os.umask(before)
    assert folder == short / f"whisperx-batch.{os.getuid()}"
    assert mode(folder) == 0o700
    folder.chmod(0o755)
    private_folder.cache_clear()
    assert mode(private_folder()) == 0o700


def test_a_link_in_place_of_the_private_folder_is_not_followed(short: Path, tmp_path: Path) -> None:
    """Another user of the machine can put one there."""
    (short / f"whisperx-batch.{os.getuid()}").symlink_to(tmp_path)
    assert private_folder().parent != short
    assert list(tmp_path.iterdir()) == []


def test_the_empty_folder_is_left_for_the_one_before(
    short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when that has been renamed in the meantime."""
    (tmp_path / "before").mkdir()
    monkeypatch.chdir(tmp_path / "before")
    with in_empty_folder():
        assert Path.cwd().is_relative_to(short)
        assert os.listdir() == []
        (tmp_path / "before").rename(tmp_path / "after")
    assert Path.cwd() == tmp_path / "after"


def test_what_a_read_only_home_folder_cannot_hold_is_kept_elsewhere(
    short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for what the user has put elsewhere, and models, which are read where they are."""
    (tmp_path / ".cache" / "huggingface").mkdir(parents=True)
    monkeypatch.setattr("os.access", lambda path, _: tmp_path not in [Path(path), *Path(path).parents])
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("PREFECT_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "HF_HOME"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("PREFECT_HOME", "/elsewhere")
    notice = substitute_home()
    assert notice
    assert notice.endswith("set XDG_CACHE_HOME, XDG_STATE_HOME")
    assert os.environ["PREFECT_HOME"] == "/elsewhere"
    assert Path(os.environ["XDG_CACHE_HOME"]) == private_folder() / "home" / ".cache"
    assert os.environ["HF_HOME"] == str(tmp_path / ".cache" / "huggingface")


def test_nobody_else_can_read_the_token_of_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor one that Ray has written itself, for everybody to read."""
    for name in SET_BY_USER:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    provide_token()
    token = tmp_path / ".ray" / "auth_token"
    assert mode(token) == 0o600
    content = token.read_text()
    token.chmod(0o644)
    provide_token()
    assert mode(token) == 0o600
    assert token.read_text() == content
