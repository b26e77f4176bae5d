"""Models that lie in a store: the libraries that load them read folders of this machine."""

import errno
import hashlib
import json
import os
from functools import cache

from filelock import FileLock

from tasks.alignment.punkt import cache_folder
from tasks.storage import filesystems, urls
from tasks.storage.scratch import scratch_folder


@cache
def at_hand(model: str) -> str:
    """Return the path of a copy of a model that is named by a URL; any other name as it is. Raises OSError, BadPlace.

    A copy is made once on each machine, and anew when the model has changed.
    """
    if not urls.is_url(model):
        return model
    found = filesystems.find(model)
    if not found:
        raise filesystems.BadPlace(f"{urls.shown(model)}: there is no model")
    version = hashlib.sha256(json.dumps(sorted(found.items())).encode()).hexdigest()[:24]
    folder = cache_folder() / "models" / version
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):  # the actors of a machine start together
        if not folder.is_dir():
            with scratch_folder(folder.parent) as draft:
                for url, (size, _) in found.items():
                    _copy(url, os.path.join(draft, "model", url.removeprefix(model.rstrip("/")).lstrip("/")), size)
                os.rename(os.path.join(draft, "model"), folder)
    return str(folder)


def _copy(url: str, path: str, size: int) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with filesystems.as_os_errors(url):
        filesystems.filesystem(url).get_file(url, path)
    if os.path.getsize(path) != size:
        raise OSError(errno.EIO, f"the download ended after {os.path.getsize(path)} of {size} bytes", url)
