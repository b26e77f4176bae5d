"""Whole or not at all, and nothing left by those that were killed."""

import errno
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from flows.state.drafts import remove_drafts
from tasks.alignment.punkt import ensure_sentence_data
from tasks.storage.atomic import STALE_S, atomic_write, new_draft
from tasks.storage.outputs import OutputPath


def test_a_file_takes_its_place_when_it_is_complete(tmp_path: Path) -> None:
    """What is there stays until then."""
    path = tmp_path / "new" / "a.txt"
    with atomic_write(path) as file:
        file.write("old")
    with atomic_write(path) as file:
        file.write("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_a_failure_leaves_what_was_there_and_no_draft(tmp_path: Path) -> None:
    """As if nothing had been tried."""
    (tmp_path / "a.txt").write_text("old")

    def write() -> None:
        with atomic_write(tmp_path / "a.txt") as file:
            file.write("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.txt", "old")]


def draft_of_an_ended_process(folder: Path) -> Path:
    """Return a draft that a process has begun which is gone."""
    begin = (
        "import sys; from pathlib import Path; from tasks.storage.atomic import new_draft; "
        "print(new_draft(Path(sys.argv[1])))"
    )
    said = subprocess.run([sys.executable, "-c", begin, str(folder)], capture_output=True, text=True, check=True)
    draft = Path(said.stdout.strip())
    draft.touch()
    return draft


def test_drafts_of_processes_that_are_gone_are_removed_and_no_others(tmp_path: Path) -> None:
    """In our own folder and beside the outputs, of any language; those that another run is writing stay."""
    out, own = tmp_path / "out [1] {x}", tmp_path / "out [1] {x}" / ".whisperx-batch"
    folders = [own, out / "plain", out / "de" / "talks", out / "haw" / "talks"]
    for folder in folders:
        folder.mkdir(parents=True)
    gone = [draft_of_an_ended_process(folder) for folder in folders]
    of_an_old_version = [folder / f".whisperx-batch-{'0' * 32}" for folder in folders]
    elsewhere = [folder / ".whisperx-batch-0123abcd-1-x" for folder in folders]
    ours = [new_draft(folder) for folder in folders]
    for draft in [*of_an_old_version, *elsewhere, *ours]:
        draft.touch()
    for draft in of_an_old_version:
        os.utime(draft, (0, draft.stat().st_mtime - STALE_S - 60))
    patterns = ["plain/a.{format}", "{language}/talks/a.{format}"]
    remove_drafts(own, [OutputPath(str(out), "", pattern) for pattern in patterns])
    assert [draft for draft in [*gone, *of_an_old_version] if draft.exists()] == []
    assert [draft for draft in [*elsewhere, *ours] if not draft.exists()] == []


def test_a_share_that_does_not_answer_keeps_no_draft_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And ends no run: drafts are looked for when all files are done, too."""
    folders = [tmp_path / name for name in ("a", "b", "c")]
    for folder in folders:
        folder.mkdir()
    drafts = [draft_of_an_ended_process(folder) for folder in folders]
    listed = os.scandir

    def scandir(folder: Any) -> Any:
        if os.fspath(folder) == str(folders[1]):
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), folder)
        return listed(folder)

    monkeypatch.setattr("os.scandir", scandir)
    remove_drafts(tmp_path, [OutputPath(str(tmp_path), "", f"{folder.name}/x.{{format}}") for folder in folders])
    assert [draft.exists() for draft in drafts] == [False, True, False]


def test_threads_that_need_sentence_data_at_once_do_not_disturb_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor do machines with one home, on which processes may have the same number."""
    import nltk

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(nltk.data, "path", [])
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(ensure_sentence_data, ["de"] * 8))
    models = tmp_path / "whisperx-batch" / "nltk_data" / "tokenizers" / "punkt_tab"
    assert os.listdir(models) == ["german"]
    assert len(os.listdir(models / "german")) > 3
