"""tasks/files.py: whole or not at all."""

from pathlib import Path

import pytest

from tasks.files import whole_file


def test_a_file_takes_its_place_when_it_is_complete(tmp_path: Path) -> None:
    """What is there stays until then."""
    path = tmp_path / "new" / "a.txt"
    with whole_file(path) as file:
        file.write("old")
    with whole_file(path) as file:
        file.write("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_a_failure_leaves_what_was_there_and_no_draft(tmp_path: Path) -> None:
    """As if nothing had been tried."""
    (tmp_path / "a.txt").write_text("old")

    def write() -> None:
        with whole_file(tmp_path / "a.txt") as file:
            file.write("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.txt", "old")]
