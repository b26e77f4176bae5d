"""flows/state/cleanup.py, flows/cli/clean.py: what is removed is needed by no later run."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from batches import HOLDER, batch_of, do, missing
from conftest import SAMPLES

from flows.cli import clean as command
from flows.config.parameters import Batch
from flows.state.folder import OutputFolder
from tasks.storage.io import write_all


@pytest.fixture(name="speech")
def _speech(tmp_path: Path) -> Path:
    """Two files, done twice: the second time with another beam."""
    folder = tmp_path / "speech"
    folder.mkdir()
    for name in ("hello_world", "counting"):
        shutil.copy(SAMPLES / "en" / f"{name}.wav", folder)
    do(batch_of(folder), "transcribe", "align", "write")
    age(batch_of(folder), days=50)
    do(newer(folder), "transcribe", "align", "write")
    return folder


def newer(speech: Path) -> Batch:
    """Return the batch of the second run."""
    return batch_of(speech, transcribe={"model": "tiny", "language": "en", "beam_size": 1})


def age(batch: Batch, days: float) -> None:
    """Let the results look as if they were made so many days earlier."""
    for path in results(batch):
        os.utime(path, times=(0, path.stat().st_mtime - days * 24 * 3600))


def results(batch: Batch) -> list[Path]:
    """Return the stored results."""
    return [path for path in Path(OutputFolder.of(batch).results).rglob("*") if path.is_file()]


def clean(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    """Run the command in this process; return its exit status."""
    monkeypatch.setattr(sys, "argv", ["whisperx-batch-clean", *arguments])
    with pytest.raises(SystemExit) as exit_:
        command.main()
    return exit_.value.code


def test_results_of_other_options_and_of_recordings_that_are_gone_are_removed(
    speech: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The newest of each file that is there stay, and what is young; transcripts are not touched."""
    out = str(speech.parent / "out")
    assert len(results(newer(speech))) == 12
    assert clean(monkeypatch, out, "--dry_run") == 0
    assert "results would be removed: 6 of 12" in capsys.readouterr().out
    assert len(results(newer(speech))) == 12
    assert clean(monkeypatch, out, "--older_than", "60") == 0
    assert len(results(newer(speech))) == 12
    assert clean(monkeypatch, out) == 0
    assert "results removed: 6 of 12" in capsys.readouterr().out
    assert len(results(newer(speech))) == 6
    assert missing(newer(speech)) == {}
    other = batch_of(
        speech, transcribe=newer(speech).transcribe.model_dump(), write={"output_dir": out, "output_format": "aud"}
    )
    assert missing(other) == {"hello_world.wav": {"write"}, "counting.wav": {"write"}}
    (speech / "counting.wav").unlink()
    age(newer(speech), days=50)
    assert clean(monkeypatch, out) == 0
    assert len(results(newer(speech))) == 3
    assert (speech.parent / "out" / "counting.txt").exists()


def test_a_recording_that_is_gone_is_forgotten_once_its_transcripts_are(
    speech: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, what is known of it keeps them from being taken for nobody's, and written over."""
    out = speech.parent / "out"
    gone = str(speech / "counting.wav")
    os.unlink(gone)
    assert clean(monkeypatch, str(out)) == 0
    assert gone in OutputFolder.of(newer(speech)).ledger().rows
    for path in out.glob("counting.*"):
        path.unlink()
    assert clean(monkeypatch, str(out)) == 0
    assert set(OutputFolder.of(newer(speech)).ledger().rows) == {str(speech / "hello_world.wav")}


def test_a_folder_that_is_in_use_or_is_none_of_ours_is_refused(
    speech: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Exit status 2; a run may be about to use what looks unneeded."""
    assert clean(monkeypatch, str(tmp_path / "speech")) == 2
    assert "whisperx-batch has written nothing there" in capsys.readouterr().err
    line = [sys.executable, "-c", HOLDER, str(OutputFolder.of(newer(speech)).state_dir)]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        assert clean(monkeypatch, str(speech.parent / "out")) == 2
        holder.communicate("\n")
    assert "is writing there" in capsys.readouterr().err
    assert len(results(newer(speech))) == 12


def test_results_in_a_store_are_removed_there(
    speech: Path, bucket: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the store's own times."""
    monkeypatch.setenv("XDG_STATE_HOME", str(speech.parent / "state"))
    write_all({f"{bucket}/in/{path.name}": path.read_bytes() for path in speech.iterdir()})
    batch = batch_of(speech, inputs={"inputs": [f"{bucket}/in/"]}, write={"output_dir": f"{bucket}/out"})
    do(batch, "transcribe", "align", "write")
    time.sleep(1.1)
    other = batch.model_copy(update={"transcribe": newer(speech).transcribe})
    do(other, "transcribe", "align", "write")
    assert clean(monkeypatch, f"{bucket}/out", "--older_than", "0") == 0
    assert "results removed: 6 of 12" in capsys.readouterr().out
    assert missing(other) == {}
