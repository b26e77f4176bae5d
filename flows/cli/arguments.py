"""The parser of the command line, made from the fields of a settings class: groups, types, help, shell completion."""

import argparse
import sys
from collections.abc import Container, Iterator
from io import TextIOWrapper
from types import NoneType, UnionType
from typing import Any, Literal, NoReturn, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from tasks.errors import closest

VALUES = {
    "FILE": "batch_file manifest report of_report",
    "FOLDER": "output_dir model_dir speakers results_dir input_roots",
    "PATTERN": "include exclude",
    "MODEL": "model align_model diarize_model second_model",
    "LANGUAGE": "language",
    "LANGUAGES": "languages",
    "TRACK": "audio_track",
    "NAMES": "channel_names",
    "FORMATS": "output_format",
    "TEMPLATE": "output_template",
    "TOKEN": "hf_token",
    "TIME": "stop_after",
    "DURATION": "keep_warm",
    "HOST:PORT": "ray_address",
    "MB": "audio_budget",
    "SECONDS": "stage_timeout chunk_size",
}
"""What the help calls the values of options, where their type says too little."""
VALUE_OF = {option: value for value, options in VALUES.items() for option in options.split()}
SHORT = {"output_dir": "-o", "output_format": "-f"}
TAKES_A_VALUE = {
    *("highlight_words", "condition_on_previous_text", "fp16", "print_progress", "model_cache_only"),
    "ray_dashboard",  # it was on by default: commands have `--ray_dashboard False`
}
"""Options that the `whisperx` program reads as `--option True`; other options that are off by default are flags."""
SHELLS = ("bash", "zsh", "tcsh")


class Parser(argparse.ArgumentParser):
    """A parser that ends with 2 and one sentence; of each option, only a value that is given is in the namespace."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong."""
        self.exit(2, f"{self.prog}: {message}; --help lists all options\n")

    def add_options(self, kind: type[BaseModel], groups: dict[str, list[str]], shown: Container[str] | None) -> None:
        """Add an option for each field that `groups` names by its title; with `shown`, the help shows only these."""
        for title, names in groups.items():
            group = self.add_argument_group(title)
            for name in names:
                keywords = _described(name, kind.model_fields[name])
                if shown is not None and name not in shown:
                    keywords["help"] = argparse.SUPPRESS
                names_of = [each for each in (f"--{name}", SHORT.get(name)) if each]
                group.add_argument(*names_of, dest=name, default=argparse.SUPPRESS, **keywords)

    def parse(self, arguments: list[str]) -> argparse.Namespace:
        """Return the arguments, of which options and others may be mixed; dashes in names count as underscores.

        From here on the command may print any name: what the terminal's encoding lacks is shown as an escape.
        """
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # as Python sets standard error
        namespace, unknown = self.parse_known_intermixed_args(list(with_underscores(arguments)))
        if unknown:
            # What follows an unknown option is most likely its value.
            named = [argument.partition("=")[0] for argument in unknown if argument.startswith("-")]
            options = [action.dest for action in self._actions if action.option_strings]
            meant = closest(named[0].lstrip("-"), options) if named else ""
            self.error(f"unrecognized arguments: {' '.join(named or unknown)}{meant.replace('mean ', 'mean --')}")
        return namespace

    def read(self, arguments: list[str]) -> dict[str, Any]:
        """Return what is given, by option; `inputs` has the rest."""
        return {name: None if value == "None" else value for name, value in vars(self.parse(arguments)).items()}


class PrintCompletion(argparse.Action):
    """Prints the script with which a shell completes the options, and ends."""

    def __call__(self, parser: argparse.ArgumentParser, _: object, shell: Any, __: str | None = None) -> NoReturn:
        """Print the script; its library is loaded for this alone."""
        import shtab

        for action in parser._actions:  # noqa: SLF001, argparse has no public name for them
            if action.metavar in ("FILE", "FOLDER", "MODEL", "INPUT"):
                action.complete = shtab.DIRECTORY if action.metavar == "FOLDER" else shtab.FILE  # type: ignore[attr-defined]
        sys.stdout.write(shtab.complete(parser, shell))
        parser.exit(0)


def _described(name: str, field: FieldInfo) -> dict[str, Any]:
    """Return argparse's keywords for a field: its kind of value, and its description with its default."""
    if is_flag(name, field):
        return {"action": "store_const", "const": True, "help": _help(field, None)}
    kinds = list(_kinds(field.annotation))
    keywords: dict[str, Any] = {"help": _help(field, field.get_default(call_default_factory=True))}
    if choices := [choice for kind in kinds if get_origin(kind) is Literal for choice in get_args(kind)]:
        keywords["choices"] = choices
    elif bool in kinds:
        keywords["metavar"] = "{True,False}"
    else:
        keywords["metavar"] = VALUE_OF.get(name, "N" if int in kinds else "X" if float in kinds else "TEXT")
    if any(get_origin(kind) is list for kind in kinds):
        keywords["action"] = "append"
    return keywords


def is_flag(name: str, field: FieldInfo) -> bool:
    """Return whether an option takes no value."""
    return field.annotation is bool and field.default is False and name not in TAKES_A_VALUE


def _kinds(annotation: Any) -> Iterator[Any]:
    """Yield the types that a union consists of, without None."""
    if get_origin(annotation) in (Union, UnionType):
        for each in get_args(annotation):
            yield from _kinds(each)
    elif annotation is not NoneType:
        yield annotation


def _help(field: FieldInfo, default: Any) -> str:
    text = field.description or ""
    if "default" not in text and default not in (None, "", []):
        text += f" (default: {default})"
    return text.replace("%", "%%")


def with_underscores(arguments: list[str]) -> Iterator[str]:
    """Yield the arguments with underscores for dashes in the names of options."""
    for argument in arguments:
        name, equals, value = argument.partition("=")
        yield f"--{name[2:].replace('-', '_')}{equals}{value}" if name.startswith("--") else argument
