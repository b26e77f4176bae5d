"""Which runs use the Ray that stays on a machine."""

import pytest

from flows.pools.warm.kept_services import surroundings


@pytest.mark.parametrize(
    "name", ["SYSTEMD_EXEC_PID", "GNOME_TERMINAL_SCREEN", "KITTY_WINDOW_ID", "WT_SESSION", "ITERM_SESSION_ID"]
)
def test_another_window_or_another_start_by_a_timer_is_the_same_environment(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """These are new in each: nothing would ever be taken over."""
    before = surroundings()
    monkeypatch.setenv(name, "4711")
    assert surroundings() == before
