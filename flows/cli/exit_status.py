"""The exit statuses of the commands; 2 in all of them: the command is wrong."""

import sys
from collections.abc import Callable
from typing import NoReturn

FAILED_BEFORE = 3
"""The only failures are files that failed in an earlier run and have not changed."""
INTERRUPTED = 130
"""The status of a program that Ctrl-C ended."""


def exit_status(new_failures: int, known_failures: int) -> int:
    """Return 0 if all files are done, FAILED_BEFORE if only known files failed again, else 1."""
    if new_failures:
        return 1
    return FAILED_BEFORE if known_failures else 0


def exit_with(program: str, run: Callable[[], int | None]) -> NoReturn:
    """End with the status that `run` returns, 0 for None; with 2 and a sentence if an input or its storage is wrong."""
    from tasks.errors import InvalidInput
    from tasks.storage.filesystems import UnsupportedLocation

    try:
        sys.exit(run() or 0)
    except (InvalidInput, UnsupportedLocation, OSError) as error:
        sys.stderr.write(f"{program}: {error}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
