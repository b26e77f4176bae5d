"""flows/ledger.py: what a later run must know, whatever became of the one that wrote it."""

import os
from pathlib import Path

import pytest

from flows.ledger import LEDGER, Ledger, Row
from tasks.places import digest_of


def begun(folder: Path) -> Ledger:
    """Return the ledger of a run that has claimed the folder."""
    ledger = Ledger(folder)
    ledger.begin({})
    return ledger


def test_what_was_noted_is_known_to_the_next_run(tmp_path: Path) -> None:
    """Each thing that was learnt, the last of its kind; names of any bytes."""
    ledger = begun(tmp_path)
    ledger.note("/in/\udcff\n.wav", duration_s=1.5)
    ledger.note("/in/\udcff\n.wav", status="failed", error="no")
    ledger.note("/in/\udcff\n.wav", status="done", error=None, key="k", pattern="a", outputs={"txt": (3, 4)})
    row = Ledger(tmp_path).row("/in/\udcff\n.wav")
    assert row == {
        "duration_s": 1.5,
        "status": "done",
        "error": None,
        "key": "k",
        "pattern": "a",
        "outputs": {"txt": (3, 4)},
    }
    assert [path for path, _ in Ledger(tmp_path).owners("a")] == ["/in/\udcff\n.wav"]


def test_outputs_of_earlier_runs_are_not_forgotten(tmp_path: Path) -> None:
    """Those in other formats stay known, also when the ledger is written anew."""
    ledger = begun(tmp_path)
    ledger.note("/in/a.wav", pattern="a", outputs={"srt": (1, 1), "txt": (1, 1)})
    ledger.note("/in/a.wav", pattern="a", outputs={"srt": (2, 2)})
    assert begun(tmp_path).row("/in/a.wav")["outputs"] == {"srt": (2, 2), "txt": (1, 1)}
    assert Ledger(tmp_path).row("/in/a.wav")["outputs"] == {"srt": (2, 2), "txt": (1, 1)}


def test_a_line_that_was_cut_short_costs_no_other(tmp_path: Path) -> None:
    """As by a machine that lost its power."""
    begun(tmp_path).note("/in/a.wav", status="done")
    with (tmp_path / LEDGER).open("ab") as file:
        file.write(b'{"path": "/in/b.wav", "sta')
    assert set(Ledger(tmp_path).rows) == {"/in/a.wav"}
    begun(tmp_path).note("/in/c.wav", status="done")
    assert set(Ledger(tmp_path).rows) == {"/in/a.wav", "/in/c.wav"}


def test_only_the_run_that_has_claimed_the_folder_writes(tmp_path: Path) -> None:
    """A dry run leaves no trace."""
    Ledger(tmp_path).note("/in/a.wav", status="done")
    assert not (tmp_path / LEDGER).exists()


def test_a_new_run_writes_the_ledger_anew(tmp_path: Path) -> None:
    """Night after night it does not grow; what the run is to do waits."""
    for _ in range(5):
        ledger = begun(tmp_path)
        ledger.note("/in/old.wav", status="done")
        ledger.begin({"/in/new.wav": Row(status="waiting", error=None)})
    assert len((tmp_path / LEDGER).read_text().splitlines()) == 2
    assert Ledger(tmp_path).row("/in/new.wav")["status"] == "waiting"


def test_a_file_is_read_once_while_it_does_not_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known by path, size and mtime, as in git's index."""
    audio = tmp_path / "a.wav"
    audio.write_bytes(b"one")
    reads: list[str] = []

    def counted(path: str, stop: object) -> str:
        reads.append(path)
        return digest_of(path)

    monkeypatch.setattr("flows.ledger.digest_of", counted)
    first = begun(tmp_path).digest(str(audio))["digest"]
    assert begun(tmp_path).digest(str(audio))["digest"] == first
    assert len(reads) == 1
    audio.write_bytes(b"two")
    os.utime(audio, ns=(1, 1))
    assert begun(tmp_path).digest(str(audio))["digest"] != first
    assert len(reads) == 2


def test_a_ledger_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    """It goes on in memory."""
    ledger = begun(tmp_path)
    (tmp_path / LEDGER).unlink()
    (tmp_path / LEDGER).mkdir()
    ledger.note("/in/a.wav", status="done")
    assert ledger.row("/in/a.wav") == {"status": "done"}
