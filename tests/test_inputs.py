"""flows/inputs.py: from what the user names to files, and early refusals."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flows.bad_input import BadInput
from flows.checks import check_model, check_output_folder, check_report
from flows.inputs import find_inputs


@contextmanager
def as_nobody() -> Iterator[None]:
    """Give up root's right to read everything, where the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture(name="tree")
def _tree(tmp_path: Path) -> Path:
    for name in ("b/2.MP3", "b/1.wav", "a.flac", "notes.txt", ".hidden.wav", "b/c/deep.mkv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def test_a_folder_is_searched_for_audio_and_video(tree: Path) -> None:
    """Below it at any depth, whatever the case of the extension; no text, no hidden files."""
    found = [os.path.relpath(entry.path, tree) for entry in find_inputs([str(tree)])]
    assert found == ["a.flac", "b/1.wav", "b/2.MP3", "b/c/deep.mkv"]


def test_a_glob_is_expanded_and_no_file_is_done_twice(tree: Path) -> None:
    """A file that is named, globbed and in a folder is one file."""
    found = find_inputs([f"{tree}/**/*.wav", str(tree / "b" / "1.wav"), str(tree / "b")])
    assert [Path(entry.path).name for entry in found].count("1.wav") == 1


def test_a_batch_file_has_one_path_a_line(tree: Path) -> None:
    """With blank lines, a byte order mark, Windows line ends, commas, and bytes that are not UTF-8."""
    odd = os.fsencode(tree) + b"/a, b \xff.wav"
    (tree / "list").write_bytes(b"\xef\xbb\xbf" + odd + b"\r\n\r\n" + os.fsencode(tree / "a.flac") + b"\r\n")
    assert [os.fsencode(entry.path) for entry in find_inputs([], str(tree / "list"))] == [
        odd,
        os.fsencode(tree / "a.flac"),
    ]


@pytest.mark.parametrize(
    ("inputs", "batch_file", "message"),
    [
        ([], None, "no input"),
        ([], "/missing.txt", "--batch_file /missing.txt: No such file"),
        (["/missing/*.wav"], None, r"nothing matches /missing/\*.wav"),
    ],
)
def test_inputs_that_are_wrong_as_a_whole_are_refused(inputs: list[str], batch_file: str | None, message: str) -> None:
    """With a sentence that names them."""
    with pytest.raises(BadInput, match=message):
        find_inputs(inputs, batch_file)


def test_a_folder_without_audio_is_refused(tmp_path: Path) -> None:
    """Nothing to do is most likely a mistake."""
    with pytest.raises(BadInput, match="no audio or video file"):
        find_inputs([str(tmp_path)])


def test_a_folder_that_cannot_be_read_is_refused() -> None:
    """Rather than passed over in silence."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        os.mkdir(os.path.join(folder, "locked"), mode=0)
        with as_nobody(), pytest.raises(BadInput, match="locked: Permission denied"):
            find_inputs([folder])


def test_a_model_folder_must_exist_and_hold_a_model(tmp_path: Path) -> None:
    """Names of models and of hubs pass; folders are looked into."""
    check_model("model", "large-v3", ("model.bin",))
    check_model("model", "Systran/faster-whisper-tiny", ("model.bin",))
    with pytest.raises(BadInput, match="--model /no/such/model: no such folder"):
        check_model("model", "/no/such/model", ("model.bin",))
    with pytest.raises(BadInput, match="no such folder"):
        check_model("model", "tests/no-model", ("model.bin",))
    with pytest.raises(BadInput, match=r"no model.bin in this folder"):
        check_model("model", str(tmp_path), ("model.bin",))


def test_a_report_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """Before the run, not after its last file."""
    check_report(str(tmp_path / "new" / "report.json"))
    for wrong in (tmp_path, Path("/dev/null/report.json")):
        with pytest.raises(BadInput, match="--report"):
            check_report(str(wrong))


def test_an_output_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """A file is in its place."""
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="--output_dir"):
        check_output_folder(str(tmp_path / "file" / "out"))
