"""Digests of models' weights: part of a result's key, independent of where and when a model was fetched."""

import hashlib
import os
from collections.abc import Iterable
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

from tasks.models.local_copies import ensure_local
from tasks.models.sources import Repository
from tasks.models.ungated import CAMPPLUS, REVISION
from tasks.storage.atomic import sha256_of
from tasks.storage.io import digest_of

WEIGHTS = ("model.bin", "model.safetensors", "pytorch_model.bin", "config.yaml")
"""Files that identify a model's revision, for CTranslate2, Transformers and pyannote. Not the commit of its
repository, which changes with every word of the model's card."""
PART_WEIGHTS = (".bin", ".ckpt", ".npz", ".onnx", ".safetensors")
"""The file extensions of the weights of a pyannote pipeline's parts."""


@cache
def revision(model: str, cache_dir: str | None, *, offline: bool) -> str:
    """Return a digest that identifies a model's weights: of its folder, or the Hub's own.

    If the model is neither local nor on a Hub that answers, returns its name.
    """
    if model == CAMPPLUS:
        return f"{CAMPPLUS}@{REVISION}"
    model = ensure_local(model)
    if os.path.isdir(model):
        files = sorted(path for path in Path(model).rglob("*") if path.is_file())
        return _joined(f"{path.relative_to(model)} {digest_of(str(path))}" for path in files)
    repository = repository_of(model)
    found = _cached(repository, cache_dir) or ("" if offline else _on_the_hub(repository))
    return f"{model}@{found}" if found else model


def cached_weights(model: str, cache_dir: str | None) -> str | None:
    """Return what changes with a model's weights in the Hub's cache on this machine; None if they are not there.

    For the many models that a run might use: unlike `revision` it never reads weights.
    """
    if not (path := _cached_file(repository_of(model), cache_dir)):
        return None
    found = path.stat()
    return f"{path.resolve()} {found.st_size} {found.st_mtime_ns}"


def _joined(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def repository_of(model: str) -> str:
    """Return the Hub's name of a model: that of a Whisper model that is known by its size, any other as it is."""
    from faster_whisper.utils import _MODELS

    return str(_MODELS.get(model, model))


def _cached(repository: str, cache_dir: str | None) -> str:
    """Return the name of the weights' blob in the Hub's cache on this machine, which is their SHA-256."""
    path = _cached_file(repository, cache_dir)
    return _blob(path) if path else ""


def _cached_file(repository: str, cache_dir: str | None) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    if "/" not in repository:
        return None
    found = (try_to_load_from_cache(repository, name, cache_dir=cache_dir) for name in WEIGHTS)
    return next((Path(path) for path in found if isinstance(path, str)), None)


def _blob(path: Path) -> str:
    """Return the Hub's digest of a cached file: the name that it links to. A copy of the cache may hold plain files."""
    return path.resolve().name if path.is_symlink() else sha256_of(path)


def _on_the_hub(repository: str) -> str:
    """Return the same for a model that is not downloaded yet."""
    files = _listed_on_the_hub(repository, None)
    return next((files[name] for name in WEIGHTS if name in files), "")


def _listed_on_the_hub(repository: str, revision: str | None) -> dict[str, str]:
    """Return the digest of each file of a repository of the Hub; nothing if it cannot be asked."""
    from huggingface_hub import HfApi

    if "/" not in repository:
        return {}
    try:
        files = HfApi().model_info(repository, revision=revision, files_metadata=True, timeout=10).siblings or []
    except Exception:  # no network: then the model cannot be loaded either, and that says more
        return {}
    return {file.rfilename: str(file.lfs.sha256 if file.lfs else file.blob_id) for file in files}


def part_revisions(sources: Iterable[Repository], cache_dir: str | None, *, offline: bool) -> dict[str, str]:
    """Return a digest of the weights of each part of a pyannote pipeline, by repository.

    `sources` are those of `tasks.models.registry.pipeline_sources`. A pipeline's config.yaml does not
    change with new weights under an old name. Parts in a folder are part of that folder's digest.
    """
    found = {}
    for source in sources:
        if os.path.exists(source.name):
            continue
        patterns = [pattern for group in source.needed for pattern in group]
        folder = source.folder(cache_dir)
        if folder:
            paths = {path for pattern in patterns for path in folder.glob(pattern)}
            files = {str(path.relative_to(folder)): _blob(path) for path in paths if path.suffix in PART_WEIGHTS}
        else:
            files = {} if offline else _listed_on_the_hub(source.name, source.revision)
        chosen = [
            f"{name} {digest}"
            for name, digest in sorted(files.items())
            if name.endswith(PART_WEIGHTS) and any(fnmatch(name, pattern) for pattern in patterns)
        ]
        if chosen:
            found[source.name] = _joined(chosen)
    return found
