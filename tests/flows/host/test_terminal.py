"""flows/host/terminal.py: one live display, below what is printed."""

import io
import re
import time

import pytest
from rich.console import Console
from rich.text import Text

from flows.host import terminal


@pytest.fixture(name="screen")
def _screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What a terminal of forty columns is sent."""
    screen = io.StringIO()
    at_terminal = Console(file=screen, width=40, force_terminal=True)
    monkeypatch.setattr(terminal, "console", lambda: at_terminal)
    return screen


def test_what_is_waited_for_is_shown_with_a_clock_and_gives_way_to_what_is_shown_inside(screen: io.StringIO) -> None:
    """Long lines are printed above it, and not broken; at the end nothing of it is left."""
    with terminal.waiting("starting Ray"):
        time.sleep(0.4)
        with terminal.showing(lambda: Text("bars"), terminal.console()):
            terminal.say("[x] " * 30)
            time.sleep(0.4)
            terminal.wait_for("ending")
        time.sleep(0.4)
    shown = screen.getvalue()
    assert re.search(r"starting Ray .*0:00:00.*bars.*ending .*0:00:01", shown, re.DOTALL)
    assert "[x] " * 30 in shown
    assert shown.endswith("\x1b[1A\x1b[2K")  # up, and the line is cleared
    terminal.wait_for("nothing")


def test_a_log_gets_a_line_with_the_time_and_a_quiet_run_none(capsys: pytest.CaptureFixture[str]) -> None:
    """Of what takes long alone."""
    with terminal.waiting("starting Ray", logged=True), terminal.waiting("looking at the files"):
        terminal.wait_for("something else")
    with terminal.waiting("starting Ray", logged=True, quiet=True):
        pass
    assert re.fullmatch(r"\d\d:\d\d:\d\d  starting Ray\n", capsys.readouterr().err)
