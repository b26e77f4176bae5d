"""Every option of WhisperX and of the predecessor, from one definition, by four ways in."""

import argparse
import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from deployments.settings import DeploymentSettings
from flows.cli.environment import OTHERS
from flows.cli.main import _parse
from flows.cli.options import Command
from flows.cli.parsing import usage_errors
from flows.config.inputs import Inputs
from flows.config.parameters import Batch
from flows.planning.discovery import find_inputs
from flows.planning.flow_parameters import inputs_as_parameters
from flows.preflight.check import notices
from tasks.diarize import DiarizeOptions
from tasks.formats import EXTENSIONS
from tasks.transcribe import TranscribeOptions
from tasks.write import WriteOptions

PREDECESSOR = {
    "batch_file": None,
    "load_audio_num_tasks": 2,
    "load_audio_num_cpus": 0.5,
    "transcribe_actor_size": None,
    "transcribe_num_gpus": None,
    "transcribe_num_cpus": None,
    "align_actor_size": None,
    "align_num_gpus": None,
    "align_num_cpus": None,
    "diarize_actor_size": None,
    "diarize_num_gpus": None,
    "diarize_num_cpus": None,
}
"""The predecessor's options; None where our default is chosen from the machine instead."""

OURS_DIFFERS = {"device": None, "threads": 0}
"""Chosen where the actor runs: WhisperX asks the machine that parses the command line."""


@pytest.fixture(name="whisperx_actions")
def _whisperx_actions(monkeypatch: pytest.MonkeyPatch) -> list[argparse.Action]:
    """The options of the installed `whisperx` program, from its own parser."""
    import whisperx.__main__

    captured: list[argparse.ArgumentParser] = []

    def capture(self: argparse.ArgumentParser, *_: Any) -> None:
        captured.append(self)
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", capture)
        with pytest.raises(SystemExit):
            whisperx.__main__.cli()
    return [action for action in captured[0]._actions if action.option_strings]


def example(action: argparse.Action) -> list[str]:
    """Return arguments that set an option to something it takes."""
    if action.nargs == 0:
        return []
    if action.choices:
        return [str(next(iter(action.choices)))]
    name = getattr(action.type, "__name__", "str")
    if action.dest == "device":
        return ["cpu"]
    examples = {"str2bool": "True", "optional_int": "3", "int": "3", "float": "0.5", "optional_float": "0.5"}
    return [examples.get(name, "1")]


def test_accepts_every_option_of_the_whisperx_program(whisperx_actions: list[argparse.Action]) -> None:
    """Under every one of its names, with a value that it takes, and with the same default."""
    command, _ = _parse([])
    tested = 0
    for action in whisperx_actions:
        if isinstance(action, argparse._HelpAction | argparse._VersionAction):
            continue
        for name in action.option_strings:
            _parse([name, *example(action)])
        if action.dest not in OURS_DIFFERS:
            assert getattr(command, action.dest) == action.default, action.dest
        tested += 1
    assert tested > 45


def test_accepts_every_option_of_the_predecessor() -> None:
    """So that its users' scripts go on."""
    command, _ = _parse([])
    assert {name: getattr(command, name) for name in PREDECESSOR} == PREDECESSOR
    script = "--batch_file b --load_audio_num_tasks 2 --load_audio_num_cpus 0.3 --transcribe_actor_size 1 "
    script += "--transcribe_num_gpus 0.4 --transcribe_num_cpus 1 --align_actor_size 2 --align_num_gpus 0.3 "
    script += "--align_num_cpus 1 --diarize_actor_size 1 --diarize_num_gpus 0.1 --diarize_num_cpus 4"
    command, _ = _parse(script.split())
    assert command.batch([]).pools.diarize_num_cpus == 4


def test_inputs_keep_their_commas_and_brackets() -> None:
    """File names are not lists."""
    _, inputs = _parse(["a, b.wav", "[1].wav", "--model", "tiny", "c.wav"])
    assert inputs == ["a, b.wav", "[1].wav", "c.wav"]


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One definition, four ways in; the file in the current folder over the user's own."""
    (tmp_path / "config" / "whisperx-batch").mkdir(parents=True)
    (tmp_path / "config" / "whisperx-batch" / "whisperx-batch.toml").write_text('model = "base"\nbeam_size = 2\n')
    (tmp_path / "whisperx-batch.toml").write_text("beam_size = 3\nbatch_size = 3\ndiarize = true\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert _parse([])[0].beam_size == 3
    monkeypatch.setenv("WHISPERX_BATCH_BEAM_SIZE", "4")
    monkeypatch.setenv("WHISPERX_BATCH_BATCH_SIZE", "5")
    batch = _parse(["--batch_size", "6"])[0].batch([])
    assert (batch.transcribe.model, batch.transcribe.beam_size, batch.transcribe.batch_size) == ("base", 4, 6)
    assert batch.diarize is not None


def test_an_unknown_key_in_the_settings_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A typing error must not pass as a setting."""
    (tmp_path / "whisperx-batch.toml").write_text('modle = "base"\n')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit_:
        _parse([])
    assert exit_.value.code == 2
    assert "whisperx-batch.toml, line 1: there is no option 'modle'; did you mean model?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    [
        'model = "models/downloaded"',
        'align_model = "aligner"',
        'diarize_model = "pipeline"',
        'model_dir = "models"',
        'ray_address = "203.0.113.1:6379"',
        'hf_token = "hf_x"',
        'output_dir = "/srv/public"',
        'results_dir = "results"',
        'report = "/etc/passwd"',
        'manifest = "list.csv"',
        'batch_file = "list.txt"',
        'input_roots = ["/"]',
        "overwrite = true",
        "offline = false",
    ],
)
def test_a_settings_file_in_the_current_folder_can_do_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    """It may have come with the recordings; a file that the user names may set all."""
    settings = tmp_path / "whisperx-batch.toml"
    settings.write_text(f"{line}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    with pytest.raises(SystemExit) as exit_:
        _parse([])
    assert exit_.value.code == 2
    said = capsys.readouterr().err
    assert f"{settings}, line 1: {line.partition(' ')[0]} cannot be set by a file in the current folder" in said
    assert f"move it to {tmp_path}/config/whisperx-batch/whisperx-batch.toml" in said
    monkeypatch.setenv("WHISPERX_BATCH_SETTINGS_FILE", str(settings))
    assert line.partition(" ")[0] in _parse([])[0].model_fields_set


def test_lists_and_empty_values_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commas part a list, JSON is one too, a pattern may begin with a bracket; nothing, and None, are not set."""
    monkeypatch.setenv("WHISPERX_BATCH_INCLUDE", "*.mp3, [ab]*.wav")
    monkeypatch.setenv("WHISPERX_BATCH_EXCLUDE", '["a, b.wav"]')
    monkeypatch.setenv("WHISPERX_BATCH_INPUT_ROOTS", "[ab]")
    monkeypatch.setenv("WHISPERX_BATCH_LANGUAGE", "")
    monkeypatch.setenv("WHISPERX_BATCH_INITIAL_PROMPT", "None")
    command = _parse([])[0]
    assert (command.include, command.exclude) == (["*.mp3", "[ab]*.wav"], ["a, b.wav"])
    assert command.input_roots == ["[ab]"]
    assert command.language is None
    assert command.initial_prompt is None


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("WHISPERX_BATCH_MODL", "WHISPERX_BATCH_MODL: there is no such option; did you mean model?"),
        ("WHISPERX_BATCH_INPUTS", "inputs are named on the command line"),
    ],
)
def test_a_variable_that_sets_nothing_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str, message: str
) -> None:
    """A typing error must not pass as a setting."""
    monkeypatch.setenv(variable, "base")
    with pytest.raises(SystemExit) as exit_:
        _parse([])
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err


def test_the_variables_of_the_deployments_are_known() -> None:
    """A shell may have both; those of the models, the language and the formats mean the same to the command."""
    names = {name for name, field in DeploymentSettings.model_fields.items() if not field.validation_alias}
    assert names <= OTHERS | Command.model_fields.keys()


def test_a_wrong_item_of_a_list_names_its_option() -> None:
    """And not the item's number."""
    with pytest.raises(ValidationError) as raised:
        Batch.model_validate({"inputs": {"include": [1]}})
    assert usage_errors(raised.value, "whisperx-batch").startswith("whisperx-batch: --include: ")


def test_long_lists_and_names_that_are_no_text_go_to_a_file(tmp_path: Path) -> None:
    """The server refuses both as parameters; the inputs that are found are the same."""
    few = inputs_as_parameters(Inputs(inputs=["a.wav"]), tmp_path)
    assert few == Inputs(inputs=[os.path.abspath("a.wav")])
    odd = [f"/in/new\nline {i} \udcff.wav" for i in range(2)]
    many = [f"/in/{i:0100}.wav" for i in range(2_000)]
    for inputs in (odd, many):
        listed = inputs_as_parameters(Inputs(inputs=inputs), tmp_path / "lists")
        assert listed.inputs == []
        assert [entry.path for entry in find_inputs([], listed.batch_file)] == inputs
        assert len(listed.model_dump_json()) < 1_000


def test_a_language_is_known_by_code_and_by_name() -> None:
    """As in WhisperX."""
    assert TranscribeOptions(language="German").language == "de"
    with pytest.raises(ValidationError, match="no language 'klingon'"):
        TranscribeOptions(language="klingon")


def test_a_model_of_english_alone_is_asked_for_english() -> None:
    """As in WhisperX, which says so too."""
    batch = _parse(["--model", "tiny.en", "--language", "German"])[0].batch([])
    assert batch.transcribe.fixed_language == "en"
    assert notices(batch) == ["--language de has no effect: tiny.en knows English alone"]
    for quiet in (["--model", "tiny.en"], ["--model", "tiny.en", "--language", "en"], ["--language", "de"]):
        assert notices(_parse(quiet)[0].batch([])) == []


def test_options_that_contradict_each_other_are_refused() -> None:
    """Before anything is started."""
    with pytest.raises(ValidationError, match="highlight_words is not possible"):
        _parse(["--no_align", "--highlight_words", "True"])[0].batch([])
    with pytest.raises(ValidationError, match="more than max_speakers"):
        DiarizeOptions(min_speakers=3, max_speakers=2)
    with pytest.raises(ValidationError, match="num_speakers 1 is less than min_speakers 2"):
        DiarizeOptions(num_speakers=1, min_speakers=2)
    with pytest.raises(ValidationError, match="num_speakers 3 is more than max_speakers 2"):
        DiarizeOptions(num_speakers=3, max_speakers=2)


def test_any_formats_can_be_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With commas on the command line and in the environment, as a list in a settings file; `all` is WhisperX's."""
    monkeypatch.chdir(tmp_path)
    all_of_whisperx = ["srt", "vtt", "txt", "tsv", "json"]
    assert _parse([])[0].batch([]).write.formats() == all_of_whisperx
    assert _parse(["-f", "json, all,md"])[0].batch([]).write.formats() == ["json", "srt", "vtt", "txt", "tsv", "md"]
    (tmp_path / "whisperx-batch.toml").write_text('output_format = ["srt", "textgrid"]\n')
    assert _parse([])[0].batch([]).write.formats() == ["srt", "textgrid"]
    monkeypatch.setenv("WHISPERX_BATCH_OUTPUT_FORMAT", "docx,ass")
    assert _parse([])[0].batch([]).write.formats() == ["docx", "ass"]


@pytest.mark.parametrize("wrong", ["", "srt,", "SRT", "json,pdf", [], ["srt", 3]])
def test_a_format_that_there_is_not_is_refused_with_those_that_there_are(wrong: Any) -> None:
    """The form of Prefect's UI has them too."""
    formats = ", ".join(EXTENSIONS)
    with pytest.raises(ValidationError, match=f"there is no format '.*'; there are all, {formats}"):
        Batch.model_validate({"write": {"output_format": wrong}})
    field = WriteOptions.model_json_schema()["properties"]["output_format"]
    assert (field["type"], field["default"]) == ("string", "all")
    assert all(name in field["description"] for name in EXTENSIONS)


def test_speaker_turns_need_diarization() -> None:
    """RTTM holds nothing else; channels that are split are speakers already."""
    with pytest.raises(ValidationError, match="rttm holds speaker turns: set diarize too"):
        _parse(["--output_format", "rttm"])[0].batch([])
    for option in (["--diarize"], ["--channels", "split"]):
        assert _parse(["--output_format", "rttm", *option])[0].batch([]).write.formats() == ["rttm"]


def test_a_translation_is_not_aligned() -> None:
    """As in WhisperX."""
    assert _parse(["--task", "translate"])[0].batch([]).align is None


def test_options_without_effect_say_so_when_they_are_set() -> None:
    """Nine in WhisperX 3.8.6, and none of them unasked."""
    assert notices(_parse([])[0].batch([])) == []
    found = notices(_parse(["--best_of", "3", "--segment_resolution", "chunk", "--max_line_count", "2"])[0].batch([]))
    assert len(found) == 3
    assert all("no effect" in notice for notice in found)


def test_temperature_fallback_gives_options_their_effect() -> None:
    """All but one that decoding side by side cannot honour, and one of precision that another option sets."""
    fallback = ["--temperature_fallback", "--best_of", "3", "--logprob_threshold", "-0.5"]
    assert notices(_parse(fallback)[0].batch([])) == []
    found = notices(_parse([*fallback, "--condition_on_previous_text", "True", "--fp16", "False"])[0].batch([]))
    assert [notice.partition(" ")[0] for notice in found] == ["--condition_on_previous_text", "--fp16"]


def test_a_token_is_no_parameter_of_the_flow() -> None:
    """The parameters of a run are stored and shown by the server."""
    command, _ = _parse(["--hf_token", "hf_secret"])
    assert "hf_secret" not in command.batch([]).model_dump_json()
    assert "hf_secret" not in repr(command)


def test_every_option_is_described() -> None:
    """In the help and in the form of Prefect's UI."""
    for group in Batch.model_fields.values():
        for model in (
            each for each in getattr(group.annotation, "__args__", (group.annotation,)) if each is not type(None)
        ):
            assert [name for name, field in model.model_fields.items() if not field.description] == []
    assert [name for name, field in Command.model_fields.items() if not field.description] == []


def test_the_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    """And says what it is for."""
    with pytest.raises(SystemExit):
        _parse(["--help"])
    text = capsys.readouterr().out
    assert [name for name in Command.model_fields if f"--{name}" not in text] == ["inputs", "by_default"]


def test_urls_with_tokens_are_no_parameters(tmp_path: Path) -> None:
    """Whoever sees the runs would see them; they go to a list that only we may read."""
    listed = inputs_as_parameters(Inputs(inputs=["https://host/a.mp3?token=geheim"]), tmp_path)
    assert listed.inputs == []
    assert listed.batch_file
    assert Path(listed.batch_file).stat().st_mode & 0o777 == 0o600
    assert [entry.path for entry in find_inputs([], listed.batch_file)] == ["https://host/a.mp3?token=geheim"]


def test_options_of_speakers_without_diarization_are_named() -> None:
    """Not where a manifest may ask for it."""
    named = ["--num_speakers", "2", "--diarize_model", "campplus"]
    assert _parse(named)[0].notices() == [
        "--diarize_model has no effect without --diarize",
        "--num_speakers has no effect without --diarize",
    ]
    for quiet in (["--diarize"], ["--manifest", "files.csv"], ["--only", "failed"]):
        assert _parse([*named, *quiet])[0].notices() == []
