"""flows/planning/discovery.py: from what the user names to files, and early refusals."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flows.config.inputs import Entry, Inputs
from flows.config.parameters import Batch
from flows.planning.discovery import check_any_there, find_inputs, read_batch_file
from flows.planning.flow_parameters import inputs_as_parameters
from flows.planning.patterns import Patterns
from flows.preflight.check import check_absolute
from flows.preflight.paths import check_folder, check_model, check_report
from tasks.errors import InvalidInput
from tasks.storage.io import write_all


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


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-8"])
def test_a_batch_file_may_be_as_windows_saves_it(tmp_path: Path, encoding: str) -> None:
    """In UTF-16 or UTF-8 with its mark, and with Windows line ends."""
    (tmp_path / "list.txt").write_bytes("\ufeff/in/Müller 1.wav\r\n\r\n/in/b.wav\r\n".encode(encoding))
    found = find_inputs([], str(tmp_path / "list.txt"))
    assert [entry.path for entry in found] == ["/in/Müller 1.wav", "/in/b.wav"]


def test_what_windows_has_cut_short_is_refused(tmp_path: Path) -> None:
    """Rather than read as names that nobody gave."""
    (tmp_path / "list.txt").write_bytes("\ufeff/in/a.wav".encode("utf-16-le")[:-1])
    with pytest.raises(InvalidInput, match=r"list.txt: .*truncated data"):
        find_inputs([], str(tmp_path / "list.txt"))


@pytest.fixture(name="bracketed")
def _bracketed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder whose path has the characters of globs."""
    folder = tmp_path / "talks [2024] *"
    folder.mkdir()
    for name in ("1.mp3", "2.mp3", "[x].mp3"):
        (folder / name).touch()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("*.mp3", ["1.mp3", "2.mp3", "[x].mp3"]),
        ("[12].mp3", ["1.mp3", "2.mp3"]),
        ("[x].mp3", ["[x].mp3"]),
        (".", ["1.mp3", "2.mp3", "[x].mp3"]),
        ("gone.mp3", ["gone.mp3"]),
        ("../talks [2024] */?.mp3", ["1.mp3", "2.mp3"]),
    ],
)
def test_an_input_means_the_same_where_the_flow_runs(
    bracketed: Path, name: str, found: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By an absolute path, which has folders with brackets; that is so for parameters and for lists."""
    expected = [str(bracketed / each) for each in found]
    assert [entry.path for entry in find_inputs([name])] == expected
    few = inputs_as_parameters(Inputs(inputs=[name]), tmp_path)
    with_secret = inputs_as_parameters(Inputs(inputs=[name, "https://host/a.mp3?token=geheim"]), tmp_path)
    monkeypatch.chdir("/")
    assert [entry.path for entry in find_inputs(few.inputs)] == expected
    listed = find_inputs([], with_secret.batch_file)
    assert [entry.path for entry in listed] == [*expected, "https://host/a.mp3?token=geheim"]


def test_a_glob_in_a_folder_with_brackets_may_be_absolute_or_a_url(bracketed: Path) -> None:
    """What is there is meant literally; wildcards begin after it."""
    expected = [str(bracketed / f"{number}.mp3") for number in (1, 2)]
    for name in (f"{bracketed}/[12].mp3", f"file://{bracketed}/[12].mp3"):
        assert [entry.path for entry in find_inputs([name])] == expected


def test_in_a_list_what_matches_nothing_is_one_missing_file(tmp_path: Path) -> None:
    """A night's list must not fail as a whole for a file with brackets that somebody has moved."""
    (tmp_path / "list").write_text(f"{tmp_path}/talk [1].wav\n{tmp_path}/b.wav\n")
    found = find_inputs([], str(tmp_path / "list"))
    assert [entry.path for entry in found] == [f"{tmp_path}/talk [1].wav", f"{tmp_path}/b.wav"]


def test_relative_lines_of_a_list_are_relative_to_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the flow reads them elsewhere; a deployment, which has no folder of the user's, refuses them."""
    (tmp_path / "list").write_text("a.wav\n")
    monkeypatch.chdir(tmp_path)
    parameters = inputs_as_parameters(Inputs(batch_file="list"), tmp_path / "own")
    monkeypatch.chdir("/")
    assert [entry.path for entry in find_inputs([], parameters.batch_file)] == [str(tmp_path / "a.wav")]
    deployed = {"inputs": {"batch_file": str(tmp_path / "list")}, "write": {"output_dir": "/out"}}
    with pytest.raises(
        InvalidInput, match=r"inputs.batch_file /.*/list names a.wav: a deployment needs absolute paths"
    ):
        check_absolute(Batch.model_validate(deployed), read_batch_file(str(tmp_path / "list")))


@pytest.fixture(name="hidden")
def _hidden(tmp_path: Path) -> Path:
    for name in ("a.wav", ".Trash-1000/files/b.wav", "c/.snapshot/d.wav", ".whisperx-batch/e.wav", ".f.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("include", "found"),
    [
        ([], ["a.wav"]),
        (["*.wav"], ["a.wav"]),
        ([".Trash-1000/"], [".Trash-1000/files/b.wav"]),
        (["*.wav", ".snapshot/", "!*.mp3"], ["a.wav", "c/.snapshot/d.wav"]),
        ([".*"], [".Trash-1000/files/b.wav", ".f.wav", "c/.snapshot/d.wav"]),
    ],
)
def test_hidden_folders_are_searched_only_if_a_pattern_names_them(
    hidden: Path, include: list[str], found: list[str]
) -> None:
    """A trash folder, the snapshots of a file server; our own folder never."""
    entries = find_inputs([str(hidden)], patterns=Patterns(tuple(include)))
    assert [os.path.relpath(entry.path, hidden) for entry in entries] == found


def test_a_hidden_folder_is_not_even_opened() -> None:
    """It may hold millions of files, or be nobody's to read."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        os.mkdir(os.path.join(folder, ".locked"), mode=0)
        Path(folder, "a.wav").touch()
        with as_nobody():
            assert len(find_inputs([folder])) == 1


def test_a_hidden_folder_that_is_named_is_searched(hidden: Path) -> None:
    """What counts is below it."""
    assert len(find_inputs([str(hidden / ".Trash-1000")])) == 1


def test_objects_are_hidden_as_files_are_and_may_have_brackets(bucket: str) -> None:
    """In a folder and for wildcards of a store."""
    names = ["in/.Trash/a.wav", "in/b.wav", "in/c [1].wav", "[d]/e.wav", "[d]/.f.wav"]
    write_all({f"{bucket}/{name}": b"x" for name in names})

    def found(name: str) -> list[str]:
        return [entry.path.removeprefix(f"{bucket}/") for entry in find_inputs([f"{bucket}/{name}"])]

    assert found("in") == ["in/b.wav", "in/c [1].wav"]
    assert found("in/**/*.wav") == ["in/b.wav", "in/c [1].wav"]
    assert found("in/.Trash/*.wav") == found("in/.T*/*.wav") == ["in/.Trash/a.wav"]
    assert found("in/c [1].wav") == ["in/c [1].wav"]
    assert found("[d]") == ["[d]/e.wav"]
    with pytest.raises(InvalidInput, match=r"nothing matches s3://.*/x\*.wav"):
        found("x*.wav")


def test_if_none_of_the_files_exists_the_inputs_are_wrong(tmp_path: Path) -> None:
    """One of several that is missing fails alone; whether a URL can be read is not known before it is opened."""
    gone = [Entry(str(tmp_path / f"{number}.wav")) for number in range(5)]
    with pytest.raises(InvalidInput, match=r"no such file: .*/0.wav, .*/1.wav, .*/2.wav and 2 more$"):
        check_any_there(gone)
    (tmp_path / "4.wav").touch()
    check_any_there(gone)
    check_any_there([gone[0], Entry("https://host/a.wav")])


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
    with pytest.raises(InvalidInput, match=message):
        find_inputs(inputs, batch_file)


def test_a_folder_without_audio_is_refused(tmp_path: Path) -> None:
    """Nothing to do is most likely a mistake."""
    with pytest.raises(InvalidInput, match="no audio or video file in "):
        find_inputs([str(tmp_path)])
    with pytest.raises(InvalidInput, match="no file that --include and --exclude leave in "):
        find_inputs([str(tmp_path)], patterns=Patterns(("*.mp3",), ()))
    (tmp_path / "list.txt").write_text("\n")
    with pytest.raises(InvalidInput, match=r"--batch_file .*list\.txt: it names no file"):
        find_inputs([], str(tmp_path / "list.txt"))


def test_a_folder_that_cannot_be_read_is_reported_and_the_others_are_searched() -> None:
    """Such as lost+found; one that is named itself is refused."""
    said: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        locked = os.path.join(folder, "lost+found")
        os.mkdir(locked, mode=0)
        Path(folder, "z.wav").touch()
        with as_nobody():
            assert [entry.path for entry in find_inputs([folder], notify=said.append)] == [f"{folder}/z.wav"]
            with pytest.raises(InvalidInput, match=r"lost\+found: Permission denied"):
                find_inputs([locked])
    assert said == [f"folder {locked} is left out: Permission denied"]


def test_links_to_folders_are_followed_and_loops_end(tmp_path: Path) -> None:
    """A folder that is also there itself keeps its own name, whatever the order of the names."""
    for name in ("in/b/1.wav", "outside/2.wav", "outside/deep/3.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name, target in {"in/a": "b", "in/b/up": "..", "in/c": "../outside", "in/gone": "nowhere"}.items():
        (tmp_path / name).symlink_to(target)
    (tmp_path / "outside" / "back").symlink_to("../in")
    found = [os.path.relpath(entry.path, tmp_path / "in") for entry in find_inputs([str(tmp_path / "in")])]
    assert found == ["b/1.wav", "c/2.wav", "c/deep/3.wav"]


def test_a_list_of_patterns_in_one_is_noticed(tree: Path) -> None:
    """Patterns are plain strings: a comma is part of a name."""
    with pytest.raises(InvalidInput, match=r"'\*.wav,\*.flac' is one pattern: give each with an option of its own"):
        find_inputs([str(tree)], patterns=Patterns(("*.wav,*.flac",)))


def test_a_model_folder_must_exist_and_hold_a_model(tmp_path: Path) -> None:
    """Names of models and of hubs pass; folders are looked into."""
    check_model("model", "large-v3", ("model.bin",))
    check_model("model", "Systran/faster-whisper-tiny", ("model.bin",))
    with pytest.raises(InvalidInput, match="--model /no/such/model: no such folder"):
        check_model("model", "/no/such/model", ("model.bin",))
    with pytest.raises(InvalidInput, match="no such folder"):
        check_model("model", "tests/no-model", ("model.bin",))
    with pytest.raises(InvalidInput, match=r"no model.bin in this folder"):
        check_model("model", str(tmp_path), ("model.bin",))


def test_a_report_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """Before the run, not after its last file."""
    check_report(str(tmp_path / "new" / "report.json"))
    assert list(tmp_path.iterdir()) == []
    for wrong in (tmp_path, Path("/dev/null/report.json"), Path("/proc/report.json")):
        with pytest.raises(InvalidInput, match="--report"):
            check_report(str(wrong))


def test_an_output_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """A file is in its place."""
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match=r"--output_dir .*/out: .*/file is not a folder; name another one"):
        check_folder("output_dir", str(tmp_path / "file" / "out"))


def test_an_output_folder_that_could_be_made_is_not_made_yet(tmp_path: Path) -> None:
    """A run that only shows its plan leaves nothing behind."""
    check_folder("output_dir", str(tmp_path / "new" / "out"))
    assert list(tmp_path.iterdir()) == []


def test_an_output_folder_of_somebody_else_is_refused() -> None:
    """Before any work."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        with as_nobody(), pytest.raises(InvalidInput, match=r"cannot write to .*: Permission denied"):
            check_folder("output_dir", os.path.join(folder, "out"))
