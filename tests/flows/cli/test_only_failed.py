"""`--only failed` where nothing has failed: the command is not wrong, and there is nothing to do."""

import json
import sys
from pathlib import Path

import pytest
from batches import batch_of, do
from voices import recordings

from flows.cli import main
from flows.state.folder import OutputFolder


@pytest.mark.parametrize("selection", ["earlier runs", "report", "inputs"])
@pytest.mark.parametrize("dry", [True, False])
def test_nothing_failed_is_no_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], selection: str, *, dry: bool
) -> None:
    """One sentence and status 0, whether the files are named or not; the new report has none of them."""
    speech, report = recordings(tmp_path / "speech", 1), tmp_path / "report.json"
    batch = batch_of(speech, check=None)
    do(batch, "transcribe", "align", "write")
    files = [{"path": str(speech / "0.wav"), "status": "done"}]
    report.write_text(json.dumps({"files": files}))
    more = {"report": ["--of_report", str(report)], "inputs": [str(speech)], "earlier runs": []}[selection]
    command = ["-o", batch.write.output_dir, "--only", "failed", "--report", str(tmp_path / "new.json"), *more]
    monkeypatch.setattr(sys, "argv", ["whisperx-batch", *command, *(["--dry_run"] if dry else [])])
    with pytest.raises(SystemExit) as exit_:
        main.main()
    said = capsys.readouterr()
    assert (exit_.value.code, said.out) == (0, "")
    assert said.err == "--only failed: nothing failed or was left; every file is done\n"
    assert OutputFolder.of(batch).ledger().rows
    assert (tmp_path / "new.json").exists() is not dry
    if not dry:
        assert json.loads((tmp_path / "new.json").read_text())["files"] == []


def test_failed_files_of_nowhere_are_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the output folder may be misspelt."""
    monkeypatch.setattr(sys, "argv", ["whisperx-batch", "-o", str(tmp_path / "out"), "--only", "failed"])
    with pytest.raises(SystemExit) as exit_:
        main.main()
    assert exit_.value.code == 2
    assert "no earlier run in this output folder is known" in capsys.readouterr().err
