"""Which runs use the Ray that stays on a machine."""

import json
import os
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest
from conftest import COMMAND
from filelock import FileLock
from loopback import free_port

from flows.pools.warm.kept_services import KeptServices, surroundings


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


def test_a_keeper_whose_end_nobody_collects_has_ended() -> None:
    """In a container without an init its number stays taken."""
    keeper = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    services = KeptServices(keeper.pid, psutil.Process(keeper.pid).create_time(), "", "", {})
    assert services.process()
    assert keeper.stdin
    keeper.stdin.close()
    os.waitid(os.P_PID, keeper.pid, os.WEXITED | os.WNOWAIT)
    assert services.process() is None
    keeper.wait()


def test_a_keeper_that_ends_by_itself_while_it_is_stopped_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one whose Ray was just killed: the run that finds it goes on with a new one."""
    keeper = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    found = [psutil.Process(keeper.pid)]
    keeper.communicate()
    monkeypatch.setattr(KeptServices, "process", lambda _: found.pop() if found else None)
    KeptServices(keeper.pid, 0.0, "", "", {}).stop()
    assert not found


@pytest.mark.parametrize("used", [False, True])
def test_a_keeper_whose_ray_is_gone_is_ended_unless_a_run_uses_it(alone: dict[str, str], *, used: bool) -> None:
    """Nothing can be asked of a Ray whose head was killed."""
    keeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(99)"])
    created = psutil.Process(keeper.pid).create_time()
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # short: Ray makes sockets below
        private = Path(folder, f"whisperx-batch.{os.getuid()}")
        (private / "warm").mkdir(mode=0o700, parents=True)
        services = KeptServices(keeper.pid, created, "", f"127.0.0.1:{free_port()}", {})
        (private / "warm" / "services.json").write_text(json.dumps(asdict(services)))
        with FileLock(private / "warm" / "lock") if used else nullcontext():
            line = [COMMAND, "--stop_warm"]
            done = subprocess.run(line, env=alone | {"RAY_TMPDIR": folder}, capture_output=True, text=True, check=True)
    try:
        words = "nothing is warm that no run uses\n" if used else "ended: what was left of an earlier run\n"
        assert done.stderr == words
        assert (keeper.poll() is None) == used
    finally:
        keeper.kill()
        keeper.wait()
