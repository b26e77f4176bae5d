"""The terminal of a run: the console that everything is printed to, and the one live display below what is printed."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime
from functools import cache

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

_bodies: list[Callable[[], RenderableType]] = []
"""What the live display shows: the last of these."""
_lines: list[Progress] = []
"""The lines of `waiting`."""


class UnattendedConsole(Console):
    """A console on standard error that a run outlives: Rich's own raises an error in the thread that prints."""

    def _check_buffer(self) -> None:
        try:
            super()._check_buffer()
        except OSError:  # the terminal of a run in the background was closed; Rich knows of pipes alone
            self.on_broken_pipe()

    def on_broken_pipe(self) -> None:
        """Print nothing more to standard error, since nobody reads it any more."""
        self.quiet = True
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), self.file.fileno())


@cache
def console() -> Console:
    """Return the console of standard error. There is one: what another prints would run into the live display."""
    return UnattendedConsole(stderr=True)


def say(text: str, to: Console | None = None) -> None:
    """Print a text as it is, in lines as long as it has."""
    (to or console()).print(Text(text), soft_wrap=True)


def log(text: str, to: Console | None = None) -> None:
    """Print a text with the time of day."""
    say(f"{datetime.now().astimezone():%H:%M:%S}  {text}", to)


@contextmanager
def showing(body: Callable[[], RenderableType], to: Console) -> Iterator[None]:
    """Show what `body` returns at the foot of a terminal, refreshed four times a second, until the `with` ends.

    Within another one it takes its place until then.
    """
    _bodies.append(body)
    display = Live(get_renderable=_shown, console=to, refresh_per_second=4, transient=True)
    try:
        with display if len(_bodies) == 1 else nullcontext():
            yield
    finally:
        _bodies.pop()


def _shown() -> RenderableType:
    return _bodies[-1]()


@contextmanager
def waiting(what: str, *, quiet: bool = False, logged: bool = False) -> Iterator[None]:
    """Show what the run waits for, and for how long, until the `with` ends; `wait_for` changes it.

    Where there is no terminal it is printed, once, if it is to be `logged`. Nothing is shown if `quiet`.
    """
    if quiet or not console().is_terminal:
        if logged and not quiet:
            log(what)
        yield
        return
    columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn()
    line = Progress(*columns, console=console(), auto_refresh=False)
    line.add_task(what, total=None)
    _lines.append(line)
    try:
        with showing(lambda: line, console()):
            yield
    finally:
        _lines.pop()


def wait_for(what: str) -> None:
    """Show from now on that this is waited for, within `waiting`; elsewhere it does nothing."""
    for line in _lines[-1:]:
        line.update(line.task_ids[0], description=what)
