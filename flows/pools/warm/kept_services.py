"""The Ray, and the Prefect server, that stay on this machine after a run: a run joins them, or has them started.

One run at a time uses them: it holds a lock, which the system frees when its process ends.
"""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from filelock import FileLock, Timeout
from prefect.settings import PREFECT_API_URL

from flows.host.allocator_env import KEEP_MEMORY
from flows.host.private_folder import private_subfolder
from flows.host.ray_token import provide_token
from flows.pools.warm.policy import digest, programs
from flows.services.failures import RunBroken
from tasks.storage.atomic import atomic_write

START_S = 180.0
END_S = 10.0
ANSWER_S = 2.0
LOCK_S = 0.5
"""How long a run tries to get the lock: the keeper has it for milliseconds at a time."""
NOT_FOR_ACTORS = re.compile(
    r"_|PWD|OLDPWD|SHLVL|COLUMNS|LINES|TERM|TERM_\w+|COLORTERM|WINDOWID|DISPLAY|WAYLAND_DISPLAY|XAUTHORITY|GPG_TTY|"
    r"STY|TMUX\w*|SSH_\w+|DBUS_\w+|VTE_\w+|VSCODE_\w+|XDG_SESSION_\w+|"
    r"(GNOME_TERMINAL|KONSOLE|KITTY|ALACRITTY|WEZTERM|ITERM|WT)_\w+|"
    r"INVOCATION_ID|JOURNAL_STREAM|SYSTEMD_EXEC_PID|WHISPERX_BATCH_\w+"
)
"""Variables of the environment that differ from one terminal, or one start of a service, to another, and change nothing
in an actor."""


@dataclass(frozen=True)
class KeptServices:
    """What the keeper, a process of its own, keeps running."""

    pid: int
    created: float
    """When the keeper's process was created: another may get its number later."""
    made_with: str
    """A digest of the code and the environment with which they were started, and which the actors have."""
    ray: str
    """The address of Ray's head."""
    prefect: dict[str, str]
    """The variables with which another process uses the Prefect server; empty if runs are configured to use another."""

    def write(self) -> None:
        """Let runs find them."""
        with atomic_write(record()) as file:
            json.dump(asdict(self), file)

    def answer(self) -> bool:
        """Return whether Ray's head and the server accept connections: either may have been killed."""
        for address in (f"//{self.ray}", *(url for name, url in self.prefect.items() if name == "PREFECT_API_URL")):
            parts = urlsplit(address)
            try:
                socket.create_connection((str(parts.hostname), parts.port or 0), timeout=ANSWER_S).close()
            except OSError:
                return False
        return True

    def stop(self) -> None:
        """End the keeper, and with it Ray and the server."""
        with suppress(psutil.NoSuchProcess):  # it may end by itself meanwhile
            if process := self.process():
                process.terminate()
            deadline = time.monotonic() + END_S
            while (left := self.process()) and time.monotonic() < deadline:
                time.sleep(0.05)
            if left:
                left.kill()  # its Ray and its server notice

    def process(self) -> psutil.Process | None:
        """Return the keeper; None if it has ended, also if nobody has asked how, as in a container without an init."""
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.created) < 1 and process.status() != psutil.STATUS_ZOMBIE:
                return process
        return None


def record() -> Path:
    """Return the file that says what is kept; only this user can read it."""
    return private_subfolder("warm") / "services.json"


def lock() -> FileLock:
    """Return the lock of those who use what is kept."""
    return FileLock(private_subfolder("warm") / "lock")


def found() -> KeptServices | None:
    """Return what is kept, if the keeper is there."""
    try:
        services = KeptServices(**json.loads(record().read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return services if services.process() else None


@contextmanager
def kept_services(*, keep: bool) -> Iterator[KeptServices | None]:
    """Use, for the length of a `with`, what an earlier run has kept; start it if this run is to `keep` it.

    Yields None if the run is to have a Ray of its own: nothing is kept, or another run uses it.
    """
    if not (keep or found()):
        yield None
        return
    held = lock()
    try:
        held.acquire(timeout=LOCK_S)
    except Timeout:
        yield None
        return
    try:
        services = found()
        if services and not (services.made_with == surroundings() and services.answer()):
            services.stop()
            services = None
        services = services or (_started() if keep else None)
        if services:
            provide_token()
            os.environ |= KEEP_MEMORY  # as in the keeper, and so in its Ray: see runtime_env
        yield services
    finally:
        held.release()


def stop_unused() -> bool:
    """End what is kept, if no run uses it. Return whether there was any, and it is ended."""
    with suppress(Timeout), lock().acquire(timeout=LOCK_S):
        if services := found():
            services.stop()
            return True
    return False


def surroundings() -> str:
    """Return a digest of what the actors have of the process that starts their Ray: code, environment, server."""
    variables = {name: value for name, value in os.environ.items() if not NOT_FOR_ACTORS.fullmatch(name)}
    return digest([programs(), variables, PREFECT_API_URL.value()])


def _started() -> KeptServices:
    """Start the keeper and return what it keeps. Raises RunBroken."""
    record().unlink(missing_ok=True)
    log = record().with_name("keeper.log")
    with log.open("wb") as output:
        keeper = subprocess.Popen(
            [sys.executable, "-P", "-m", "flows.pools.warm.keeper", surroundings()],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for the run
        )
    deadline = time.monotonic() + START_S
    while not (services := found()):
        if keeper.poll() is not None or time.monotonic() > deadline:
            raise RunBroken(f"the Ray that is to stay warm did not start; see {log}")
        time.sleep(0.1)
    return services
