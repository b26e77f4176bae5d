"""flows/cli/arguments.py: the help, near misses, dashes, completion; and where a wrong value is set."""

import argparse
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from flows.cli import clean, compare, evaluate, speakers
from flows.cli.main import _parse
from flows.cli.options import IDLE, WHISPERX, Command
from flows.preflight.check import notices

TITLES = ["options of the whisperx program", "inputs", "outputs", "languages and speakers", "run", "pools"]
IDLE_VALUES = {"segment_resolution": "chunk", "fp16": "False", "condition_on_previous_text": "True"}


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return what the command prints before it ends with success."""
    with pytest.raises(SystemExit) as exit_:
        _parse([*arguments])
    assert exit_.value.code == 0
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return what the command says when it ends with 2, as one line."""
    with pytest.raises(SystemExit) as exit_:
        _parse([*arguments])
    assert exit_.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_the_help_is_in_groups_with_clean_defaults_and_examples(capsys: pytest.CaptureFixture[str]) -> None:
    """WhisperX's options first, `--model` before all; what has no effect comes last."""
    text = printed(capsys, "--help")
    titles = [line.rstrip(":") for line in text.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert [title for title in titles if title in TITLES] == TITLES
    assert text.index("--model MODEL") < text.index("--language LANGUAGE") < text.index("inputs:")
    assert "--second_model MODEL" in text
    assert text.index("pools:") < text.index("--fp16")
    for odd in ("default: None", "default factory", "SecretStr", "list[str]", "default) (default"):
        assert odd not in text
    assert " ".join(text.split()).count("(default: small)") == 1
    assert text.partition("examples:")[2].count("\n  whisperx-batch ") == 3


def test_the_options_of_the_whisperx_program_are_those(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is in the help's first group or among those without effect, which the notices know too."""
    import whisperx.__main__

    captured: list[argparse.ArgumentParser] = []

    def capture(self: argparse.ArgumentParser, *_: object) -> None:
        captured.append(self)
        raise SystemExit

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", capture)
    with pytest.raises(SystemExit):
        whisperx.__main__.cli()
    theirs = {action.dest for action in captured[0]._actions} - {"help", "audio", "version", "python_version"}
    assert {*WHISPERX, *IDLE} == theirs
    assert len([*WHISPERX, *IDLE]) == len(theirs)
    command, _ = _parse([part for name in IDLE for part in (f"--{name}", IDLE_VALUES.get(name, "1"))])
    assert {notice.split()[0] for notice in notices(command.batch([]))} == {f"--{name}" for name in IDLE}


def test_every_option_is_in_one_group() -> None:
    """But for the two that are set in another way."""
    grouped = [name for names in Command.groups().values() for name in names]
    assert len(grouped) == len({*grouped})
    assert {*Command.model_fields} - {*grouped} == {"inputs", "by_default"}


def test_dashes_count_as_underscores_in_names_alone() -> None:
    """Values and inputs are left as they are."""
    command, inputs = _parse(
        ["--output-dir", "my-out", "--max-line-width=40", "--dry-run", "--initial-prompt=--a-b", "a-b.wav"]
    )
    assert (command.output_dir, command.max_line_width, command.dry_run) == ("my-out", 40, True)
    assert command.initial_prompt == "--a-b"
    assert inputs == ["a-b.wav"]


def test_the_clean_up_takes_dashes_too_and_refuses_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """As the other commands do."""
    options = clean._parse(["out", "--older-than", "3", "--dry-run"])
    assert (options.older_than, options.dry_run) == (3.0, True)
    with pytest.raises(SystemExit):
        clean._parse(["out", "--older_than", "soon"])
    assert capsys.readouterr().err.startswith(
        "whisperx-batch-clean: argument --older_than: invalid float value: 'soon'"
    )


@pytest.mark.parametrize(
    ("program", "arguments", "sentence"),
    [
        (evaluate, ["--der-colar", "1"], "unrecognized arguments: --der_colar; did you mean --der_collar?"),
        (compare, ["--max-diference", "1"], "unrecognized arguments: --max_diference; did you mean --max_difference?"),
        (clean, ["--old-than", "3"], "unrecognized arguments: --old_than; did you mean --older_than?"),
        (speakers, ["--forgot", "x"], "unrecognized arguments: --forgot; did you mean --forget?"),
    ],
)
def test_the_smaller_commands_hint_at_near_misses_too(
    capsys: pytest.CaptureFixture[str], program: ModuleType, arguments: list[str], sentence: str
) -> None:
    """With the words of the large one; and take dashes."""
    names = ["out"] if program in (clean, speakers) else ["old", "new"]
    assert len(names) == 1 or program._parse([*names, "--language", "de", "--json", "x-y"]).json == "x-y"
    with pytest.raises(SystemExit) as ended:
        program._parse([*names, *arguments])
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"{program.PROGRAM}: {sentence}; --help lists all options\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--modle", "x"], "unrecognized arguments: --modle; did you mean --model?"),
        (["--outputdir=x"], "unrecognized arguments: --outputdir; did you mean --output_dir?"),
        (["--max-line-with", "3"], "unrecognized arguments: --max_line_with; did you mean --max_line_width?"),
        (["--task", "summarise"], "argument --task: invalid choice: 'summarise'"),
        (["--model"], "argument --model: expected one argument"),
        (["--bogus"], "unrecognized arguments: --bogus; --help lists all options"),
    ],
)
def test_a_near_miss_gets_a_hint(capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str) -> None:
    """Status 2 and one line."""
    assert f"whisperx-batch: {sentence}" in refused(capsys, "a.wav", *arguments)


def test_patterns_are_plain_strings_one_an_option() -> None:
    """Brackets are no JSON, and a comma is a comma."""
    command, _ = _parse(["--include", "[0-9]*.wav", "--include", "a, b.mp3", "--exclude", "x,y/"])
    assert command.batch([]).inputs.include == ["[0-9]*.wav", "a, b.mp3"]
    assert command.exclude == ["x,y/"]


def test_a_wrong_value_is_named_where_it_is_set(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the file's name and line, or the variable; an option of the command line wins over both."""
    settings = tmp_path / "settings.toml"
    settings.write_text('# mine\nmodel = "base"\n\nbeam_size = "many"\n')
    monkeypatch.setenv("WHISPERX_BATCH_SETTINGS_FILE", str(settings))
    assert refused(capsys).startswith(f"whisperx-batch: {settings}, line 4: beam_size: Input should be a valid integer")
    monkeypatch.setenv("WHISPERX_BATCH_BEAM_SIZE", "few")
    assert refused(capsys).startswith("whisperx-batch: WHISPERX_BATCH_BEAM_SIZE: Input should be a valid integer")
    assert refused(capsys, "--beam_size", "x").startswith("whisperx-batch: --beam_size: Input should be a valid")


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_shell_completes_options_and_their_values(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    """Bash itself reads the script, and offers what begins so."""
    script = printed(capsys, "--print-completion", shell)
    assert "--output_format" in script
    if shell == "bash":
        typed = "COMP_WORDS=(whisperx-batch --task tr); COMP_CWORD=2; _shtab_whisperx_batch"
        asked = f"{script}\n{typed}\necho ${{COMPREPLY[@]}}"
        done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["transcribe", "translate"]
