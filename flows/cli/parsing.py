"""Reads a command's options, and formats their errors."""

import argparse
from collections.abc import Collection, Container
from typing import TYPE_CHECKING, TypeVar

from flows.cli.arguments import Parser

if TYPE_CHECKING:
    from pydantic import ValidationError

    from flows.cli.options import Command

C = TypeVar("C", bound="Command")


def read_options(
    parser: Parser, kind: "type[C]", arguments: list[str], shown: Container[str] | None = None
) -> "tuple[C, list[str]]":
    """Return the options from the command line, the environment and the settings file, and the inputs.

    Exits with 2 if something is wrong with them. With `shown`, the help shows only these.
    """
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    from tasks.errors import InvalidInput

    parser.add_options(kind, kind.groups(), shown)
    given = parser.read(arguments)
    inputs = given.pop("inputs", [])
    try:
        return kind(**given), inputs
    except ValidationError as error:
        parser.exit(2, usage_errors(error, parser.prog, given))
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


def usage_errors(error: "ValidationError", program: str, given: Collection[str] = ()) -> str:
    """Return a line for each wrong value, with where it is set: by an option that is `given`, or elsewhere."""
    from flows.cli.environment import variable_of
    from flows.cli.settings_file import place_of

    lines = []
    for problem in error.errors():
        # Within a list the last of these is an item's number.
        option = next((each for each in reversed(problem["loc"]) if isinstance(each, str)), "")
        place = (None if option in given else variable_of(option) or place_of(option)) or f"--{option}"
        message = problem["msg"].removeprefix("Value error, ")
        lines.append(f"{program}: {place}: {message}" if option else f"{program}: {message}")
    return "\n".join(lines) + "\n"
