"""The command and the `whisperx` program with the same real weights and a known range of speakers."""

import json
import subprocess
from pathlib import Path

from conftest import COMMAND, TWO_SPEAKERS

from tasks.models.ungated import UngatedPipeline


def test_a_range_of_speakers_gives_what_whisperx_gives(
    real_diarizer: Path,
    small_models: Path,
    tiny_en: str,
    alone: dict[str, str],
    environment: dict[str, str],
    tmp_path: Path,
) -> None:
    """Byte for byte; without a range there are two speakers. Ours takes the pipeline by name, and uses no network."""
    shared = [str(TWO_SPEAKERS), "--model", tiny_en, "--language", "en", "--compute_type", "int8", "--threads", "1"]
    shared += ["--align_model", str(small_models / "align-tiny"), "--output_format", "json", "--device", "cpu"]
    shared += ["--diarize", "--min_speakers", "3", "--max_speakers", "4"]
    here = ["--diarize_model", "campplus", "--model_dir", str(real_diarizer), "--offline"]
    there = ["--diarize_model", str(UngatedPipeline().folder(str(real_diarizer)))]
    for program, options, environ in ((COMMAND, here, alone), ("whisperx", there, environment)):
        out = tmp_path / Path(program).name
        command = [program, *shared, *options, "--output_dir", str(out)]
        done = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    ours, theirs = (tmp_path / name / "sample.json" for name in ("whisperx-batch", "whisperx"))
    assert ours.read_text() == theirs.read_text()
    words = json.loads(ours.read_text())["word_segments"]
    assert "SPEAKER_02" in {word.get("speaker") for word in words}
