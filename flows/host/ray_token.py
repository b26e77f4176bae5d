"""The token that Ray asks for, in a file that other users of the machine cannot read."""

import os
import secrets
import stat
from pathlib import Path

from flows.host.home import writable
from flows.host.private_folder import private_subfolder

SET_BY_USER = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


def ask_for_token() -> None:
    """Let a Ray of our own ask for the token, and this process show it; before Ray is imported.

    Ray asks by default where it is started, but shows no token to one that it joins.
    """
    os.environ.setdefault("RAY_AUTH_MODE", "token")


def provide_token() -> None:
    """Create a token if there is none; Ray's own would be readable by everybody, and only in the home folder."""
    asked = os.environ.get("RAY_AUTH_MODE", "token").lower() == "token"
    if not asked or any(os.environ.get(name) for name in SET_BY_USER):
        return
    path = Path.home() / ".ray" / "auth_token"
    if not path.exists() and not writable(path.parent):
        path = private_subfolder("home/.ray") / "auth_token"
        os.environ["RAY_AUTH_TOKEN_PATH"] = str(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        found = path.stat()
        if found.st_uid == os.getuid() and found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            path.chmod(0o600)
    else:
        with open(file, "w") as token:
            token.write(secrets.token_hex(32))
