"""Which signals reach the processes of a run."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

ENDING = (signal.SIGTERM, signal.SIGHUP)
"""Signals that end a run. They may be sent to all of its processes: by `timeout`, systemd, a terminal that closes."""


def exit_on_signals() -> None:
    """Let this process exit in order, with status 128 + number. Signals that it ignores, as under nohup, stay so."""
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _exit)


def _exit(number: int, _: object) -> NoReturn:
    sys.exit(128 + number)


@contextmanager
def signals_blocked() -> Iterator[None]:
    """Keep these signals from processes that are started inside, for as long as those live.

    A run still needs its server and its Ray when it is told to end, and ends them itself. What this process is sent in
    the meantime it gets afterwards.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
