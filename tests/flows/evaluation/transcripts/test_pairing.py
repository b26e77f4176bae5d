"""flows/evaluation/transcripts/pairing.py: which reference belongs to which transcript, or why none."""

from pathlib import Path

import pytest

from flows.evaluation.transcripts.pairing import Pairs
from tasks.errors import InvalidInput

TURN = "SPEAKER {} 1 0.0 1.0 <NA> <NA> A <NA> <NA>\n"


def folder(root: Path, files: dict[str, str]) -> str:
    """Write the files and return the folder."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return str(root)


def paired(tmp_path: Path, transcripts: dict[str, str], references: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return the text of the reference for each transcript, and the problems without the paths of this test."""
    pairs = Pairs(folder(tmp_path / "out", transcripts), folder(tmp_path / "right", references))
    found = {pair.name: " ".join(part.text for part in pair.reference.segments or ()) for pair in pairs}
    return found, [problem.replace(f"{tmp_path}/", "") for problem in pairs.problems]


def test_a_reference_is_found_by_its_path_or_else_by_its_name(tmp_path: Path) -> None:
    """Neither the state of a run, nor a verdict, nor what macOS leaves beside a file is a transcript or a reference."""
    transcripts = {"a/talk.txt": "", "b/talk.txt": "", "b/talk.srt": "", "sub/one.txt": "", "two.txt": ""}
    others = {".whisperx-batch/ledger.json": "{}", "two.quality.json": "{}", "._two.json": "{}"}
    references = {"a/talk.txt": "first", "b/talk.txt": "second", "one.txt": "third", "deep/down/two.txt": "fourth"}
    found, problems = paired(tmp_path, transcripts | others, references | others)
    assert found == {"a/talk": "first", "b/talk": "second", "sub/one": "third", "two": "fourth"}
    assert problems == []


def test_a_file_of_many_recordings_is_found_by_its_ids(tmp_path: Path) -> None:
    """In which formats for scoring have no white space; a file of one may be named by either."""
    lines = "a_talk 1 A 0 1 first\nother 1 A 0 1 second\n"
    assert paired(tmp_path / "1", {"a talk.txt": "", "sub/other.txt": ""}, {"all.stm": lines}) == (
        {"a talk": "first", "sub/other": "second"},
        [],
    )
    assert paired(tmp_path / "2", {"x.txt": ""}, {"x.stm": "call 1 A 0 1 first"})[0] == {"x": "first"}
    assert paired(tmp_path / "3", {"call.txt": ""}, {"x.stm": "call 1 A 0 1 first"})[0] == {"call": "first"}


def test_names_that_macos_has_written_are_the_same_names(tmp_path: Path) -> None:
    """It writes é as two characters: in paths, and in the ids of files that were made there."""
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    names = {f"{decomposed}/{decomposed}.txt": "right"}
    assert paired(tmp_path / "1", {f"{composed}/{composed}.txt": ""}, names)[0] == {f"{composed}/{composed}": "right"}
    ids = {"all.stm": f"{decomposed} 1 A 0 1 right\nother 1 A 0 1 other\n", f"{composed}.rttm": TURN.format(composed)}
    assert paired(tmp_path / "2", {f"{decomposed}.txt": "", "other.txt": ""}, ids) == (
        {composed: "right", "other": "other"},
        [],
    )
    with pytest.raises(InvalidInput, match="differ only in the form of Unicode: keep one"):
        paired(tmp_path / "3", {f"{composed}.txt": "", f"{decomposed}.txt": ""}, names)


def test_two_files_belong_together_whatever_they_are_called(tmp_path: Path) -> None:
    """Since somebody named both."""
    folder(tmp_path, {"new.txt": "it is", "right.stm": "call 1 A 0 1 it was"})
    (pair,) = Pairs(str(tmp_path / "new.txt"), str(tmp_path / "right.stm"))
    assert pair.name == "new"


def test_the_format_that_says_most_is_read_and_an_rttm_beside_it(tmp_path: Path) -> None:
    """On both sides: speaker turns are another matter than text."""
    json = '{"segments": [{"start": 0, "end": 1, "text": "hi"}], "language": "en"}'
    out = folder(tmp_path / "out", {"a.txt": "", "a.srt": "", "a.json": json, "a.rttm": TURN.format("a")})
    right = folder(tmp_path / "right", {"a.txt": "hi", "a.rttm": TURN.format("a")})
    (pair,) = Pairs(out, right)
    for side in (pair.hypothesis, pair.reference):
        assert side.turns
        assert side.segments
        assert side.segments[0].text == "hi"
    assert pair.hypothesis.language == "en"


def test_text_beside_an_empty_rttm_has_no_speakers_to_score(tmp_path: Path) -> None:
    """It is what a run without `--diarize` writes; without text, an empty RTTM says that nobody speaks."""
    json = '{"segments": [{"start": 0, "end": 1, "text": "hi"}]}'
    right = folder(tmp_path / "right", {"a.rttm": TURN.format("a"), "b.rttm": TURN.format("b")})
    out = folder(tmp_path / "out", {"a.json": json, "a.rttm": "", "b.rttm": ""})
    assert [pair.hypothesis.speaker_turns() for pair in Pairs(out, right)] == [None, ()]


@pytest.mark.parametrize(
    ("transcripts", "references", "problems"),
    [
        (["b.txt"], {"a.txt": "x"}, ["a: there is no transcript of it in out"]),
        (["a/x.txt", "b/x.txt"], {"x.txt": "x"}, ["x: its transcript may be a/x or b/x; give"]),
        (["x.txt"], {"a/x.txt": "x", "b/x.txt": "x"}, ["a/x: it is not the only reference", "b/x: it is not the only"]),
        (["x.txt"], {"x.txt": "x", "x.srt": ""}, ["right/x.srt: the reference of x is empty", "x: right/x.srt and"]),
        (["x.txt"], {"x.txt": "x", "all.stm": "x 1 A 0 1 hm\ny 1 A 0 1 hm"}, ["x: right/all.stm and right/x.txt are"]),
        (["x.txt"], {"x.txt": " \n"}, ["right/x.txt: the reference of x is empty"]),
        (["x.txt"], {"x.rttm": ""}, ["right/x.rttm: the reference is empty"]),
        (["x.txt"], {"x.json": "{"}, ["right/x.json: it is not JSON"]),
        (["x.json"], {"x.txt": "x"}, ["out/x.json: it is not JSON"]),
    ],
)
def test_references_that_cannot_be_used_are_named(
    tmp_path: Path, transcripts: list[str], references: dict[str, str], problems: list[str]
) -> None:
    """Missing, ambiguous, empty and wrong ones; the others are used."""
    found, said = paired(tmp_path, dict.fromkeys([*transcripts, "good.txt"], ""), {**references, "good.txt": "fine"})
    assert found == {"good": "fine"}
    for problem in problems:
        assert any(each.startswith(problem) for each in said), said


def test_folders_without_anything_to_read_are_refused(tmp_path: Path) -> None:
    """Before anything is scored."""
    out = folder(tmp_path / "out", {"a.txt": "x"})
    with pytest.raises(InvalidInput, match="there is no such file or folder"):
        Pairs(out, str(tmp_path / "missing"))
    with pytest.raises(InvalidInput, match="copy them here first"):
        Pairs("s3://bucket/out", out)
    with pytest.raises(InvalidInput, match="there is nothing to read; the known formats are"):
        Pairs(out, folder(tmp_path / "right", {"a.wav": ""}))
