"""Terminals whose encoding lacks what names and texts hold: every command goes on, and shows escapes."""

import json
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path
from types import ModuleType

import pytest
from batches import batch_of, do
from voices import diarized, recordings, voice

from flows.cli import compare, evaluate, main, models, speakers

NAME = "日本 – Łódź"


def prepare(folder: Path, command: ModuleType, model: str) -> list[str]:
    """Return arguments of a command that prints the name."""
    if command in (compare, evaluate):
        for side, text in (("old", "one two"), ("new", "one three")):
            (folder / side).mkdir()
            (folder / side / f"{NAME}.json").write_text(json.dumps({"segments": [{"text": text}], "language": "en"}))
        return [str(folder / "old"), str(folder / "new")]
    if command is models:
        (folder / NAME).symlink_to(model)
        return ["--model_dir", str(folder / "models"), "--model", str(folder / NAME), "--no_align", "--offline"]
    speech = recordings(folder / "speech", 1)
    if command is speakers:
        batch = diarized(speech, {"0.wav": {"SPEAKER_00": voice(1)}})
        return [batch.write.output_dir, "--speakers", str(folder / NAME), "--speaker_limits", "0.65,0.55"]
    do(batch_of(speech), "transcribe")
    (speech / "0.wav").rename(speech / f"{NAME}.wav")
    return [str(speech), "--dry_run", "--model", model, "--no_align", "--no_check", "-o", str(folder / "out")]


@pytest.mark.parametrize("command", [main, models, speakers, evaluate, compare])
@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_names_that_the_terminal_lacks_are_escaped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_en: str, command: ModuleType, encoding: str
) -> None:
    """Where PYTHONIOENCODING or the locale says so; the outcome is the same."""
    arguments = prepare(tmp_path, command, tiny_en)
    terminal = TextIOWrapper(BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(sys, "argv", ["program", *arguments])
    with pytest.raises(SystemExit) as exit_:
        command.main()
    terminal.flush()
    shown = terminal.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]
    assert exit_.value.code == 0, shown
    assert r"\u65e5\u672c \u2013 \u0141" in shown
