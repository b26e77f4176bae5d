"""flows/cli/remaining.py: where all results are stored, the command writes the outputs itself."""

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from batches import batch_of, do
from conftest import COMMAND, cut_speech

FILES = 200


def test_outputs_are_written_from_stored_results_without_services(tmp_path: Path, alone: dict[str, str]) -> None:
    """Interrupted, it leaves the rest for the next run, in which a file fails alone; no Prefect database is made."""
    speech = cut_speech(tmp_path / "speech", *[f"{i:03}.wav" for i in range(FILES)], seconds=1)
    do(batch_of(speech, transcribe={"model": "tiny.en", "language": "en"}, check=None), "transcribe", "align")
    out, report = tmp_path / "out", tmp_path / "report.json"
    command = [COMMAND, str(speech), "-o", str(out), "--model", "tiny.en", "--language", "en", "--no_check"]
    command += ["--output_format", "all,docx"]  # which take long enough to be interrupted
    command += ["--report", str(report)]
    running = subprocess.Popen(
        command,
        env=alone,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        # A shell lets what it starts in the background ignore the signal, and so would this.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    while len(list(out.glob("*.txt"))) < 3:
        assert running.poll() is None, running.communicate()
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate()
    assert running.returncode == 130, said
    assert "interrupted" in said.splitlines()[-1]
    first = summary(report)
    assert first["done"] + first["left"] == FILES
    assert len(list(out.glob("*.txt"))) - first["done"] in (0, 1), "of one it may not know yet that it is written"
    assert min(first["done"], first["left"]) > 0

    left = [each["path"] for each in json.loads(report.read_text())["files"] if each["status"] == "left"][-1]
    (out / f"{Path(left).stem}.txt").write_text("the user's own")
    done = subprocess.run(command, env=alone, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    second = summary(report)
    assert (second["done"] + second["skipped"], second["failed"]) == (FILES - 1, 1)
    assert second["skipped"] - first["done"] in (0, 1)
    assert second["model_loads"] == {}
    assert (out / f"{Path(left).stem}.txt").read_text() == "the user's own"
    assert not (tmp_path / "prefect" / "prefect.db").exists()


def summary(report: Path) -> dict[str, Any]:
    """Return the summary of a report."""
    found: dict[str, Any] = json.loads(report.read_text())["summary"]
    return found
