"""The pipeline `campplus`, whose weights are real: how often its speakers are wrong, and whose voices are alike."""

import shutil
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import TWO_SPEAKERS
from pyannote.audio import Model
from pyannote.core import Annotation, Segment, Timeline
from pyannote.database.util import load_rttm
from pyannote.metrics.diarization import DiarizationErrorRate

from tasks.audio.decoding import decode
from tasks.audio.types import SAMPLE_RATE, Samples, as_float
from tasks.diarization.campplus import CAMPPlus
from tasks.diarization.loading import diarizers, find_voices
from tasks.diarization.voices import Voice
from tasks.diarize import Diarization, DiarizeOptions, diarize_samples
from tasks.models.compute_limits import compute_limits
from tasks.models.options import ModelOptions
from tasks.models.ungated import UngatedPipeline

AMI = Path(__file__).parents[2] / "data" / "ami"
CAMPPLUS = DiarizeOptions(diarize_model="campplus")
Recording = tuple[Samples, Annotation]


def call() -> Recording:
    """Return pyannote.audio's own sample, a telephone call of two, and who speaks when."""
    return decode(str(TWO_SPEAKERS)), next(iter(load_rttm(TWO_SPEAKERS.with_suffix(".rttm")).values()))


def meetings() -> Recording:
    """Return pieces of four meetings one after the other, of twelve speakers: for a single piece any guess is good."""
    reference, samples, begin = Annotation(), [], 0.0
    for name, of_piece in sorted(load_rttm(AMI / "reference.rttm").items()):
        samples.append(decode(str(AMI / f"{name}.flac")))
        for turn, _, speaker in of_piece.itertracks(yield_label=True):
            reference[Segment(turn.start + begin, turn.end + begin), len(reference)] = speaker
        begin += len(samples[-1]) / SAMPLE_RATE
    return np.concatenate(samples), reference


def error_rate(found: Diarization, reference: Annotation, samples: Samples) -> float:
    """Return the diarization error rate, without a collar, overlap counted."""
    hypothesis = Annotation()
    for start, end, speaker in found.turns:
        hypothesis[Segment(start, end), len(hypothesis)] = speaker
    whole = Timeline([Segment(0, len(samples) / SAMPLE_RATE)])
    return float(DiarizationErrorRate()(reference, hypothesis, uem=whole))


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    """Return the cosine of two embeddings."""
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


@pytest.fixture(name="models")
def _models(real_diarizer: Path) -> ModelOptions:
    compute_limits.configure(parallel=1, threads=1)
    torch.set_num_threads(1)
    return ModelOptions(device="cpu", threads=1, model_dir=str(real_diarizer), offline=True)


@pytest.mark.parametrize(
    ("recording", "rate", "speakers"),
    [(call, 0.056, 2), (meetings, 0.188, 5)],
)
def test_speakers_are_not_wrong_more_often_than_measured(
    models: ModelOptions, recording: Callable[[], Recording], rate: float, speakers: int
) -> None:
    """With random weights the rates are far higher: see docs/reference.md."""
    samples, reference = recording()
    found = diarize_samples(samples, CAMPPLUS, models)
    assert error_rate(found, reference, samples) < rate + 0.015
    assert len({speaker for *_, speaker in found.turns}) == speakers


def test_a_person_is_known_again_by_the_voice(models: ModelOptions) -> None:
    """In two halves of a meeting, and is like nobody else; the limits leave room between them."""
    found: list[tuple[str, Voice]] = []
    with diarizers("campplus", models).acquire() as pipeline:
        network = pipeline.model
    for name in ("trn03", "trn05", "trn06"):
        samples, reference = decode(str(AMI / f"{name}.flac")), load_rttm(AMI / "reference.rttm")[name]
        for half in (Segment(0, 15), Segment(15, 30)):
            said = reference.crop(half).itertracks(yield_label=True)
            turns = [(turn.start, turn.end, speaker) for turn, _, speaker in said]
            found += find_voices(network, samples, turns).items()
    assert len(found) == 6
    assert {voice.bandwidth for _, voice in found} == {"full"}
    for (one, voice), (other, another) in combinations(found, 2):
        alike = likeness(voice.vector(), another.vector())
        assert alike > 0.6 if one == other else alike < 0.4, (one, other, alike)


def test_the_network_is_that_of_3d_speaker(models: ModelOptions) -> None:
    """All of the weights have a place, and 5 s of speech give what its own code gives."""
    folder = UngatedPipeline().folder(models.model_dir) / "embedding"
    weights = torch.load(folder / "pytorch_model.bin", weights_only=False)["state_dict"]
    network = Model.from_pretrained(folder)
    assert isinstance(network, CAMPPlus)
    assert network.state_dict().keys() == weights.keys()
    speech = torch.from_numpy(as_float(decode(str(TWO_SPEAKERS))[7 * SAMPLE_RATE : 12 * SAMPLE_RATE]))[None, None]
    with torch.inference_mode():
        embedding = network.eval()(speech)[0]
    assert embedding.shape == (network.dimension,)
    expected = [-0.40304, -0.39663, -0.11416, -0.27443, 0.26347, -0.34734, -0.96691, 0.99728]
    assert embedding[:8].tolist() == pytest.approx(expected, abs=1e-4)


def test_frames_are_pooled_for_each_speaker(models: ModelOptions) -> None:
    """The network runs once for all speakers of a window, as for one."""
    network = Model.from_pretrained(UngatedPipeline().folder(models.model_dir) / "embedding").eval()
    windows = torch.randn(2, 1, 2 * SAMPLE_RATE, generator=torch.Generator().manual_seed(0)) / 10
    masks = (torch.rand(2, 3, 117, generator=torch.Generator().manual_seed(1)) > 0.5).float()
    with torch.inference_mode():
        together = network.forward_embedding(network.forward_frames(windows), masks)
        assert together.shape == (2, 3, network.dimension)
        for speaker in range(3):
            torch.testing.assert_close(together[:, speaker], network(windows, weights=masks[:, speaker]))


def test_the_folder_may_be_moved(models: ModelOptions, tmp_path: Path) -> None:
    """And is then a pipeline like any other, of the same turns."""
    samples, _ = call()
    shutil.copytree(UngatedPipeline().folder(models.model_dir), tmp_path / "mine")
    moved = DiarizeOptions(diarize_model=str(tmp_path / "mine"))
    of = [diarize_samples(samples[: 12 * SAMPLE_RATE], each, models) for each in (CAMPPLUS, moved)]
    assert of[0] == of[1]
