"""The exit statuses of `whisperx-batch`, except 2: the command is wrong."""

FAILED_BEFORE = 3
"""The only failures are files that failed in an earlier run and have not changed."""
INTERRUPTED = 130
"""The status of a program that Ctrl-C ended."""


def exit_status(new_failures: int, known_failures: int) -> int:
    """Return 0 if all files are done, FAILED_BEFORE if only known files failed again, else 1."""
    if new_failures:
        return 1
    return FAILED_BEFORE if known_failures else 0
