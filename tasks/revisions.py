"""Which weights a model's name stands for: results are kept by them, wherever the model lies and whenever it came."""

import hashlib
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from tasks.files import sha256_of
from tasks.model_copies import at_hand
from tasks.places import digest_of

WEIGHTS = ("model.bin", "model.safetensors", "pytorch_model.bin", "config.yaml")
"""What tells a model's revisions apart, of CTranslate2, of Transformers and of pyannote. Not the commit of its
repository, which changes with every word of the model's card."""


@cache
def revision(model: str, cache_dir: str | None, *, offline: bool) -> str:
    """Return what stands for the weights of a model: a digest of its folder, or the Hub's own of its weights.

    A name of a model that is neither here nor to be asked for stands for itself.
    """
    model = at_hand(model)
    if os.path.isdir(model):
        files = sorted(path for path in Path(model).rglob("*") if path.is_file())
        return _joined(f"{path.relative_to(model)} {digest_of(str(path))}" for path in files)
    repository = repository_of(model)
    found = _cached(repository, cache_dir) or ("" if offline else _on_the_hub(repository))
    return f"{model}@{found}" if found else model


def _joined(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def repository_of(model: str) -> str:
    """Return the Hub's name of a model: that of a Whisper model that is known by its size, any other as it is."""
    from faster_whisper.utils import _MODELS

    return str(_MODELS.get(model, model))


def _cached(repository: str, cache_dir: str | None) -> str:
    """Return the name of the weights' blob in the Hub's cache on this machine, which is their SHA-256."""
    from huggingface_hub import try_to_load_from_cache

    if "/" not in repository:
        return ""
    for name in WEIGHTS:
        path = try_to_load_from_cache(repository, name, cache_dir=cache_dir)
        if isinstance(path, str):
            # A copy of the cache may have files in place of its links.
            return os.path.basename(os.path.realpath(path)) if os.path.islink(path) else sha256_of(Path(path))
    return ""


def _on_the_hub(repository: str) -> str:
    """Return the same of a model that is yet to be downloaded."""
    from huggingface_hub import HfApi

    if "/" not in repository:
        return ""
    try:
        files = HfApi().model_info(repository, files_metadata=True, timeout=10).siblings or []
    except Exception:  # no network: then the model cannot be loaded either, and that says more
        return ""
    for name in WEIGHTS:
        for file in files:
            if file.rfilename == name:
                return str(file.lfs.sha256 if file.lfs else file.blob_id)
    return ""
