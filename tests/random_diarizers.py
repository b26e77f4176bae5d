"""Diarization pipelines of random networks: pyannote.audio's own, and ours with the same weights."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from conftest import TWO_SPEAKERS
from pyannote.audio.core.plda import PLDA
from pyannote.audio.core.task import Problem, Resolution, Specifications
from pyannote.audio.models.embedding import WeSpeakerResNet34, XVectorSincNet
from pyannote.audio.models.segmentation import PyanNet
from pyannote.audio.pipelines import SpeakerDiarization

from tasks.audio.decoding import decode
from tasks.audio.types import SAMPLE_RATE, as_float
from tasks.diarization.pyannote_internals import LeanDiarization, make_lean

Make = Callable[[], Any]
AGGLOMERATIVE = {"method": "centroid", "threshold": 0.2, "min_cluster_size": 3}
VBX = {"threshold": 0.6, "Fa": 0.07, "Fb": 0.8}


def x_vector() -> Any:
    """Return an embedding network of random weights that is quick."""
    return XVectorSincNet(dimension=128)


def resnet34() -> Any:
    """Return one of the default pipeline's size, with statistics that are not those of a new one."""
    network = WeSpeakerResNet34()
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.uniform_(-0.2, 0.2)
            layer.running_var.uniform_(0.5, 2)
    return network


def segmentation(*, powerset: bool) -> Any:
    """Return a random network that finds three speakers, with a class for each pair of them if `powerset`."""
    network = PyanNet()
    network.specifications = Specifications(
        problem=Problem.MONO_LABEL_CLASSIFICATION if powerset else Problem.MULTI_LABEL_CLASSIFICATION,
        resolution=Resolution.FRAME,
        duration=5.0,
        classes=["a", "b", "c"],
        powerset_max_classes=2 if powerset else None,
        permutation_invariant=True,
    )
    network.build()
    network.eval()
    heard: list[torch.Tensor] = []
    hook = network.classifier.register_forward_pre_hook(lambda _, given: heard.append(given[0]))
    speech = torch.from_numpy(as_float(decode(str(TWO_SPEAKERS))[6 * SAMPLE_RATE : 11 * SAMPLE_RATE]))
    with torch.no_grad():
        network(speech[None, None])
        hook.remove()
        if powerset:
            network.classifier.weight[[0, 4, 5, 6]] *= 0.5  # mostly one speaker: not nobody, and not two
        # Random weights prefer one class all the time, unless what they hear on average is subtracted.
        network.classifier.bias.copy_(-network.classifier.weight @ heard[0].mean(dim=(0, 1)))
    return network


def pair(small_models: Path, embedding: Make = x_vector, *, powerset: bool = True, vbx: bool = True) -> tuple[Any, Any]:
    """Return pyannote's own pipeline and ours, with the same random weights."""
    torch.set_num_threads(1)

    def make() -> Any:
        torch.manual_seed(0)
        pipeline = SpeakerDiarization(
            segmentation=segmentation(powerset=powerset),
            embedding=embedding(),
            embedding_exclude_overlap=True,
            plda=PLDA.from_pretrained(small_models / "diarize-tiny" / "plda"),
            clustering="VBxClustering" if vbx else "AgglomerativeClustering",
            embedding_batch_size=8,
            segmentation_batch_size=8,
        )
        steps = {"min_duration_off": 0.0} if powerset else {"min_duration_off": 0.0, "threshold": 0.5}
        return pipeline.instantiate({"segmentation": steps, "clustering": VBX if vbx else AGGLOMERATIVE})

    original, ours = make(), make()
    make_lean(ours)
    assert isinstance(ours, LeanDiarization)
    return original, ours
