"""A home folder that is missing or read-only, as in a container that runs as another user."""

import os
from pathlib import Path

from flows.host.private_folder import private_folder, private_subfolder

KEPT_IN_HOME = {"PREFECT_HOME": ".prefect", "XDG_CACHE_HOME": ".cache", "XDG_STATE_HOME": ".local/state"}
"""Variables that say where programs keep things, and where in the home folder that is if they are not set."""
MODELS_IN_CACHE = {"HF_HOME": "huggingface", "TORCH_HOME": "torch"}
"""Variables that say where models lie, and where in ~/.cache that is if they are not set."""


def substitute_home() -> str | None:
    """Set the variables that say where things are kept, where that could not be in the home folder.

    Returns a notice of what was set, or None. Raises NoPrivateFolder.
    """
    try:
        home = Path.home()
    except RuntimeError:  # HOME is not set, and the system does not know the user
        os.environ["HOME"] = str(private_subfolder("home"))
        return f"HOME is not set, and this user has no home folder: {os.environ['HOME']} is used"
    names = [name for name, below in KEPT_IN_HOME.items() if not os.environ.get(name) and not writable(home / below)]
    if not names:
        return None
    if "XDG_CACHE_HOME" in names:
        for name, below in MODELS_IN_CACHE.items():
            if (home / ".cache" / below).is_dir():  # models are still read from there
                os.environ.setdefault(name, str(home / ".cache" / below))
    for name in names:
        os.environ[name] = str(private_subfolder(f"home/{KEPT_IN_HOME[name]}"))
    return (
        f"HOME={home} cannot be written to: {private_folder() / 'home'} is used; "
        f"to keep things elsewhere, set {', '.join(names)}"
    )


def writable(folder: Path) -> bool:
    """Return whether this folder can be written to, or made where it is missing."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
