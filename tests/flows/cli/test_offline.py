"""A run that reaches for nothing outside, from a folder that `whisperx-batch-models` has filled."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import COMMAND, DIARIZER, SAMPLES
from local_hub import TOKEN, LocalHub

from flows.cli import main

WATCHED = Path(__file__).parents[2] / "watched"
SET_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "PYANNOTE_METRICS_ENABLED", "RAY_USAGE_STATS_ENABLED")


def test_a_run_with_fetched_models_reaches_for_nothing_outside(
    hub: LocalHub, alone: dict[str, str], tmp_path: Path
) -> None:
    """Every model from the folder, by its usual name, with the hub gone; the sentence data from its package."""
    models, out, hosts = tmp_path / "models", tmp_path / "out", tmp_path / "hosts"
    for name in ("HF_HUB_OFFLINE", "HF_TOKEN"):
        alone.pop(name, None)
    alone |= {"HF_HOME": str(tmp_path / "hf"), "XDG_CACHE_HOME": str(tmp_path / "cache"), "NLTK_DATA": str(tmp_path)}
    what = ["--model_dir", str(models), "--model", "tiny.en", "--align_model", "speech/align-tiny", "--diarize"]
    fetched = subprocess.run(
        [f"{COMMAND}-models", *what],
        env={**alone, "HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN},
        capture_output=True,
        text=True,
        check=False,
    )
    assert fetched.returncode == 0, fetched.stderr
    assert [line.split()[:2] for line in fetched.stdout.splitlines()] == [
        ["fetched", "Systran/faster-whisper-tiny.en"],
        ["fetched", "speech/align-tiny"],
        ["fetched", DIARIZER],
    ]
    assert fetched.stderr == ""
    clip = str(SAMPLES / "en" / "hello_world.wav")
    line = [COMMAND, clip, *what, "--offline", "--compute_type", "int8", "-o", str(out)]
    hub.asked.clear()
    done = subprocess.run(
        line,
        env={**alone, "HF_ENDPOINT": hub.url, "PYTHONPATH": str(WATCHED), "WHISPERX_BATCH_TEST_HOSTS": str(hosts)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (segment,) = json.loads((out / "hello_world.json").read_text())["segments"]
    assert segment["words"]
    assert segment["speaker"]
    assert hub.asked == []
    assert not hosts.exists(), hosts.read_text()


def test_what_an_offline_run_lacks_is_listed_before_ray_starts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny_en: str
) -> None:
    """Exit status 2; also of a dry run."""
    for name in SET_OFFLINE:
        monkeypatch.setenv(name, os.environ.get(name, ""))
    monkeypatch.setattr("ray.init", lambda *_, **__: pytest.fail("Ray was started"))
    shutil.copy(SAMPLES / "en" / "hello_world.wav", tmp_path)
    options = ["--model", tiny_en, "--language", "en", "--align_model", "speech/align-tiny", "--offline"]
    for more in ([], ["--dry_run"]):
        arguments = [str(tmp_path), *options, "--model_dir", str(tmp_path), "-o", str(tmp_path / "out"), *more]
        monkeypatch.setattr(sys, "argv", ["whisperx-batch", *arguments])
        with pytest.raises(SystemExit) as exit_:
            main.main()
        assert exit_.value.code == 2
        said = capsys.readouterr().err
        assert f"--offline: missing in {tmp_path}:\n  speech/align-tiny (aligner of 'en'): all of it\n" in said
        assert "\n  whisperx-batch-models --model_dir " in said
