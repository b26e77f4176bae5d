"""flows/cli/models.py: the command line of `whisperx-batch-models`; test_offline.py runs it."""

import sys
from pathlib import Path

import pytest
from local_hub import LocalHub

from flows.cli import models


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    """Run the command in this process; return its exit status."""
    monkeypatch.setattr(sys, "argv", ["whisperx-batch-models", *arguments])
    with pytest.raises(SystemExit) as exit_:
        models.main()
    return exit_.value.code


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--model_dir: name the folder"),
        (["--model_dir", "m", "--model", "tinny"], "--model tinny: no such folder, and no such Whisper model"),
        (["--model_dir", "m", "--languages", "en,klingon"], "--language: Whisper knows no language 'klingon'"),
        (["--model_dir", "m", "recordings"], "unrecognized arguments: recordings"),
    ],
)
def test_a_wrong_command_is_refused_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """Exit status 2, before anything is fetched."""
    assert run(monkeypatch, *arguments) == 2
    assert message in capsys.readouterr().err


def test_models_of_ones_own_are_looked_into_and_not_copied(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    tiny_en: str,
    small_models: Path,
) -> None:
    """All of them are here; then a Whisper model that lacks its tokenizer. A run's settings are taken."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "whisperx-batch.toml").write_text("beam_size = 2\n")
    own = ["--align_model", str(small_models / "align-tiny"), "--diarize_model", str(small_models / "diarize-tiny")]
    options = ["--model_dir", str(tmp_path), "--language", "en", *own, "--diarize"]
    assert run(monkeypatch, *options, "--model", tiny_en) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["yours"] * 3
    (tmp_path / "model.bin").write_bytes(b"")
    assert run(monkeypatch, *options, "--model", str(tmp_path)) == 1
    assert f"failed   {tmp_path} (Whisper): no config.json, tokenizer.json" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_a_language_without_an_aligner_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny_en: str
) -> None:
    """It is no failure: such files are timed without one."""
    assert run(monkeypatch, "--model_dir", str(tmp_path), "--model", tiny_en, "--languages", "th") == 0
    assert "none     WhisperX has no aligner for 'th'" in capsys.readouterr().out


def test_without_a_network_one_sentence_says_so(
    hub: LocalHub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Not a line for each model that cannot be fetched."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert run(monkeypatch, "--model_dir", str(tmp_path / "m"), "--languages", "pl,ja", "--diarize") == 2
    said = capsys.readouterr()
    assert said.out == ""
    (sentence,) = said.err.splitlines()
    assert sentence.startswith("whisperx-batch-models: cannot reach the Hub (")
    assert sentence.endswith("run this where there is a network, or with --offline to check what is here")


def test_the_help_shows_what_matters_here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """And not the ninety other options of a run."""
    assert run(monkeypatch, "--help") == 0
    text = capsys.readouterr().out
    assert "--languages" in text
    assert "--beam_size" not in text
