"""The environment and the current folder, made safe for a run before Prefect or Ray is imported."""

import os
from contextlib import suppress
from hashlib import sha256

from flows.host.home import substitute_home
from flows.host.private_folder import LONGEST_SOCKET, in_empty_folder, private_folder

DEFAULTS = {
    # Prefect reads this when it sets up logging. Its server gets the run's log all the same.
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    # The server may be away for eight minutes (2 + 4 + … + 256 s); at Prefect's 5 it may for one.
    "PREFECT_CLIENT_MAX_RETRIES": "8",
    # Where Prefect does not find the run's server it would quietly start another one, which outlives a killed run.
    "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
    # Prefect reports its first import before --offline is read.
    "DO_NOT_TRACK": "1",
}
LONGEST_IN_TMPDIR = len("/pymp-12345678/listener-12345678")
"""The longest path of a socket in TMPDIR: Ray's dashboard has some of Python's multiprocessing."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")
FOLDERS = (
    *("HOME", "TMPDIR", "RAY_TMPDIR", "PREFECT_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"),
    *("HF_HOME", "HF_HUB_CACHE", "TORCH_HOME", "NLTK_DATA", "MPLCONFIGDIR"),
)
"""Variables that may name a folder by a relative path, which means: from where the command is started."""


def prepare_surroundings() -> str | None:
    """Set up the environment of this process and its children, and import Prefect.

    Returns a notice if the home folder cannot be used. Raises NoPrivateFolder.
    """
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    for name in FOLDERS:
        if os.environ.get(name):
            os.environ[name] = os.path.abspath(os.environ[name])
    bypass_proxy()
    _shorten_tmpdir()
    notice = substitute_home()
    with in_empty_folder():
        # When it is imported it obeys .env, prefect.toml and pyproject.toml in the current folder.
        import prefect.context  # noqa: F401
    return notice


def _shorten_tmpdir() -> None:
    """Name the folder of TMPDIR by a short path, if its own is too long for the sockets that Python makes in there."""
    folder = os.environ.get("TMPDIR", "")
    if len(os.fsencode(folder)) + LONGEST_IN_TMPDIR > LONGEST_SOCKET:
        link = private_folder() / f"tmp-{sha256(os.fsencode(folder)).hexdigest()[:16]}"
        with suppress(FileExistsError):
            link.symlink_to(folder)
        os.environ["TMPDIR"] = str(link)


def bypass_proxy() -> None:
    """Let the processes of a run on this machine reach each other without the proxy that the environment names."""
    other = {"no_proxy": "NO_PROXY", "NO_PROXY": "no_proxy"}
    given = {name: os.environ.get(name) or os.environ.get(other[name]) or "" for name in other}
    for name, value in given.items():
        hosts = [host.strip() for host in value.split(",") if host.strip()]
        if "*" not in hosts:
            os.environ[name] = ",".join(dict.fromkeys([*hosts, *LOOPBACK]))
