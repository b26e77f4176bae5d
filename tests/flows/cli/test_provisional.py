"""Nights without a hub, at the command: a real Ray, and a hub that speaks as the real one."""

import json
import subprocess
from pathlib import Path
from typing import Any

from conftest import COMMAND, SAMPLES
from local_hub import LocalHub

from tasks.models.registry import default_aligners

DUTCH = default_aligners()["nl"]


def test_words_are_timed_again_when_their_aligner_can_be_loaded_and_not_before(
    hub: LocalHub, alone: dict[str, str], base: str, small_models: Path, tmp_path: Path
) -> None:
    """The first night Whisper's own attention times them; the second does nothing, and says so."""
    hub.repositories[DUTCH] = small_models / "align-tiny"
    alone |= {"HF_HOME": str(tmp_path / "hf"), "HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "1"}

    first, _ = night(tmp_path, alone, base)
    assert (first["files"][0]["aligned_by"], first["files"][0]["provisional"]) == ("whisper", True)
    assert first["summary"]["provisional"] == 1

    second, said = night(tmp_path, alone, base)
    assert (second["summary"]["skipped"], second["summary"]["model_loads"]) == (1, {})
    assert "starting Ray" not in said
    assert f"1 file with provisional word times, until their aligners can be loaded: nl: {DUTCH} is not here" in said
    assert hub.asked == []

    third, said = night(tmp_path, alone | {"HF_HUB_OFFLINE": "0"}, base)
    (file,) = third["files"]
    assert (file["status"], file["aligned_by"], file["provisional"]) == ("done", DUTCH, False)
    assert file["timings_s"].keys() == {"load audio", "align", "write"}
    assert "provisional" not in said


def night(folder: Path, environ: dict[str, str], model: str) -> tuple[dict[str, Any], str]:
    """Run the command; return its report, and what it says."""
    command = [COMMAND, str(SAMPLES / "en" / "hello_world.wav"), "-o", str(folder / "out"), "--model", model]
    command += ["--language", "nl", "--compute_type", "int8", "--no_check", "-f", "json", "--device", "cpu"]
    command += ["--report", str(folder / "report.json")]
    done = subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return report, done.stderr
