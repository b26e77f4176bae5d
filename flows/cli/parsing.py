"""Reads a command's options, and formats their errors."""

import argparse
from collections.abc import Container
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from pydantic import ValidationError

    from flows.cli.options import Command

C = TypeVar("C", bound="Command")


def read_options(
    parser: argparse.ArgumentParser, kind: "type[C]", arguments: list[str], shown: Container[str] | None = None
) -> "tuple[C, list[str]]":
    """Return the options from the command line, the environment and the settings file, and the inputs.

    Exits with 2 if something is wrong with them. With `shown`, the help shows only these.
    """
    from pydantic import ValidationError
    from pydantic_settings import CliApp, CliSettingsSource, SettingsError

    from tasks.errors import InvalidInput

    source: CliSettingsSource[argparse.ArgumentParser] = CliSettingsSource(kind, root_parser=parser)
    for action in parser._actions:  # noqa: SLF001, argparse has no public name for them
        if shown is not None and action.dest not in shown:
            action.help = argparse.SUPPRESS
    namespace = parser.parse_intermixed_args(arguments)
    inputs = vars(namespace).pop("inputs", [])
    try:
        return CliApp.run(kind, cli_args=namespace, cli_settings_source=source), inputs
    except ValidationError as error:
        parser.exit(2, usage_errors(error, parser.prog))
    except (InvalidInput, SettingsError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")


def language(text: str) -> str:
    """Return the code of a language; a type of argparse."""
    from tasks.languages import language_code

    try:
        return language_code(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def seconds(text: str) -> float:
    """Return a time that is not negative; a type of argparse, which names it in the error."""
    value = float(text)
    if not 0 <= value < float("inf"):
        raise ValueError
    return value


def usage_errors(error: "ValidationError", program: str) -> str:
    """Return a line for each value that is wrong, naming its option."""
    lines = []
    for problem in error.errors():
        # Within a list the last of these is an item's number.
        option = next((each for each in reversed(problem["loc"]) if isinstance(each, str)), "")
        message = problem["msg"].removeprefix("Value error, ")
        lines.append(f"{program}: --{option}: {message}" if option else f"{program}: {message}")
    return "\n".join(lines) + "\n"
