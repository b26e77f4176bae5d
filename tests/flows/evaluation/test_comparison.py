"""flows/evaluation/comparison.py: which files of two output folders are compared."""

import json
from pathlib import Path

from flows.evaluation.comparison import compare

SAID = {"segments": [{"start": 0.0, "end": 1.0, "text": "Hello there."}], "language": "en"}


def test_the_people_of_a_folder_are_no_transcript(tmp_path: Path) -> None:
    """What whisperx-batch-speakers writes below the transcripts; a recording may be called voices, though."""
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
        (folder / "voices.json").write_text(json.dumps(SAID))
    people = old / "speakers"
    people.mkdir()
    (people / "voices.json").write_text(json.dumps({"people": []}))
    (people / "speakers.csv").write_text("id,name\n")
    found = compare(str(old), str(new), None)
    assert ([change.name for change in found.changes], found.problems) == (["voices"], [])


def test_another_programs_report_is_no_report_of_a_run(tmp_path: Path) -> None:
    """Whatever its summary is."""
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.json").write_text(json.dumps({"summary": "A greeting", **SAID}))
    found = compare(str(tmp_path / "old"), str(tmp_path / "new"), None)
    assert ([change.name for change in found.changes], found.speeds) == (["report"], (None, None))


def test_names_that_macos_has_written_are_the_same_names(tmp_path: Path) -> None:
    """It writes é as two characters; the verdict beside such a file is found too."""
    for folder, name, verdict in (("old", "caf\u00e9", "good"), ("new", "cafe\u0301", "bad")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{name}.json").write_text(json.dumps(SAID))
        (tmp_path / folder / f"{name}.quality.json").write_text(json.dumps({"verdict": verdict}))
    found = compare(str(tmp_path / "old"), str(tmp_path / "new"), None)
    assert [(change.old.verdict, change.new.verdict) for change in found.changes] == [("good", "bad")]
    assert (found.problems, found.added) == ([], [])


def test_what_only_one_run_says_is_no_difference(tmp_path: Path) -> None:
    """The verdict, where the other did not write the format `quality`; where both did, it counts."""
    for folder in ("old", "new"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.json").write_text(json.dumps(SAID))
    differs = []
    for folder, verdict in (("old", "good"), ("new", "bad")):
        (tmp_path / folder / "a.quality.json").write_text(json.dumps({"verdict": verdict}))
        (change,) = compare(str(tmp_path / "old"), str(tmp_path / "new"), None).changes
        differs.append(change.differs)
    assert differs == [False, True]
