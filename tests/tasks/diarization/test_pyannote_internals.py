"""What tasks/diarization/pyannote_internals.py replaces gives what pyannote.audio's own code gives, to the last bit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TWO_SPEAKERS
from pyannote.audio.models.embedding import XVectorMFCC, XVectorSincNet
from pyannote.core import SlidingWindow, SlidingWindowFeature
from random_diarizers import Make, pair, resnet34, x_vector

from tasks.audio.decoding import decode
from tasks.audio.types import SAMPLE_RATE, as_float
from tasks.diarization.campplus import CAMPPlus
from tasks.diarization.pyannote_internals import in_memory, separate

NUMBERS_OF_SPEAKERS: list[dict[str, int]] = [
    {},
    *({"num_speakers": number} for number in (1, 2, 3, 5)),
    *({"min_speakers": least} for least in (2, 4)),
    *({"max_speakers": most} for most in (1, 2, 3)),
    {"min_speakers": 2, "max_speakers": 3},
    {"min_speakers": 3, "max_speakers": 6},
]


def files(original: Any, ours: Any, seconds: int = 12) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the same speech for both."""
    samples = decode(str(TWO_SPEAKERS))[6 * SAMPLE_RATE : (6 + seconds) * SAMPLE_RATE]
    return in_memory(original, samples), in_memory(ours, samples)


CASES = [(1, 6, False, 1), (4, 10, True, 1), (8, 11, True, 2), (8, 4, True, 1), (5, 12, True, 1)]
"""Batch size, windows, whether overlap is excluded, threads. Last but one: a single window is heard. Last: a
single row is left for pyannote's last batch. The last bits of a convolution differ between one window and several."""


def segments(windows: int, frames: int = 60) -> SlidingWindowFeature:
    """Return who of three speaks in windows of 2 s: silence, pauses, overlap, and a word too short for an embedding."""
    random = np.random.default_rng(0)
    active = np.zeros((windows, frames, 3), np.float32)
    for window in range(windows):
        for speaker in range(window % 4):  # nobody in every fourth
            begin = random.integers(0, frames // 2)
            active[window, begin : begin + random.integers(10, frames), speaker] = 1
    active[1] = 0
    active[1, 5, 1] = 1
    active[-3:-1] = 0
    return SlidingWindowFeature(active, SlidingWindow(duration=2.0, step=0.5))


@pytest.mark.parametrize("embedding", [resnet34, XVectorMFCC, x_vector, CAMPPlus], ids=lambda make: make.__name__)
def test_embeddings_are_those_of_pyannote(small_models: Path, embedding: Make) -> None:
    """Of silent windows and silent speakers too; whole batches, and the rest that does not fill one."""
    original, ours = pair(small_models, embedding)
    file, same_file = files(original, ours, seconds=6)
    for batch_size, windows, exclude_overlap, threads in CASES:
        torch.set_num_threads(threads)
        original.embedding_batch_size = ours.embedding_batch_size = batch_size
        expected = original.get_embeddings(file, segments(windows), exclude_overlap)
        found = ours.get_embeddings(same_file, segments(windows), exclude_overlap)
        assert not np.isnan(expected).any()
        assert np.array_equal(found, expected), (batch_size, windows, exclude_overlap)
    torch.set_num_threads(1)


def test_the_network_runs_once_for_each_window_with_speech(small_models: Path) -> None:
    """And not for each of its speakers."""
    original, ours = pair(small_models)
    seen: dict[str, int] = {}
    for name, pipeline, file in zip(("pyannote", "ours"), (original, ours), files(original, ours), strict=True):
        network = pipeline._embedding.model_
        forward = network.sincnet.forward

        def counted(samples: torch.Tensor, name: str = name, forward: Any = forward) -> Any:
            seen[name] = seen.get(name, 0) + len(samples)
            return forward(samples)

        network.sincnet.forward = counted
        pipeline.get_embeddings(file, segments(12), exclude_overlap=False)
    assert seen == {"pyannote": 36, "ours": int(segments(12).data.any(axis=(1, 2)).sum())}


class Wrapped(torch.nn.Module):
    """A network of which nothing is known."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, waveforms: torch.Tensor, weights: torch.Tensor | None = None) -> Any:
        """Run it."""
        return self.network(waveforms, weights=weights)


def test_a_network_that_is_not_known_runs_as_pyannote_runs_it(small_models: Path) -> None:
    """Its embeddings may depend on the mask in another way than by pooling."""
    original, ours = pair(small_models)
    for pipeline in (original, ours):
        pipeline._embedding.model_ = Wrapped(pipeline._embedding.model_)
    assert separate(ours._embedding.model_) is None
    (file, same_file), active = files(original, ours), segments(4)
    assert np.array_equal(ours.get_embeddings(same_file, active), original.get_embeddings(file, active))


@pytest.mark.parametrize(("powerset", "vbx"), [(True, True), (True, False), (False, True)])
def test_turns_are_those_of_pyannote(
    small_models: Path, monkeypatch: pytest.MonkeyPatch, *, powerset: bool, vbx: bool
) -> None:
    """For any number of speakers, also without overlap, with the speakers' embeddings."""
    original, ours = pair(small_models, powerset=powerset, vbx=vbx)
    file, same_file = files(original, ours)
    steps: list[list[Any]] = [[], []]
    for pipeline, audio, kept in ((original, file, steps[0]), (ours, same_file, steps[1])):
        kept.append(pipeline.get_segmentations(audio))
        kept.append(pipeline.get_embeddings(audio, SlidingWindowFeature((kept[0].data > 0.5), kept[0].sliding_window)))
    assert len(np.unique(steps[0][0].data)) > 1
    assert np.array_equal(steps[0][0].data, steps[1][0].data)
    assert np.array_equal(steps[0][1], steps[1][1])
    for pipeline, (segmentation, embeddings) in zip((original, ours), steps, strict=True):  # the networks ran once
        monkeypatch.setattr(pipeline, "get_segmentations", lambda *_, kept=segmentation, **__: kept)
        monkeypatch.setattr(pipeline, "get_embeddings", lambda *_, kept=embeddings, **__: kept.copy())
    numbers = set()
    for speakers in NUMBERS_OF_SPEAKERS:
        expected, found = original(file, **speakers), ours(same_file, **speakers)
        numbers.add(len(expected.speaker_diarization.labels()))
        assert expected.speaker_diarization, speakers
        assert list(found.speaker_diarization.itertracks(True)) == list(expected.speaker_diarization.itertracks(True))
        assert found.exclusive_speaker_diarization == expected.exclusive_speaker_diarization
        assert np.array_equal(found.speaker_embeddings, expected.speaker_embeddings)
    assert len(numbers) > 2


def test_samples_of_16_bits_are_scaled_as_whisperx_does(small_models: Path) -> None:
    """In the windows that are cropped for embeddings, beyond the end too, without a copy of the whole file."""
    original, ours = pair(small_models)
    file, same_file = files(original, ours, seconds=2)
    assert same_file["waveform"].dtype == torch.int16
    window = SlidingWindow(duration=2.0, step=0.5)[1]
    expected, _ = original._audio.crop(file, window, mode="pad")
    found, _ = ours._audio.crop(same_file, window, mode="pad")
    assert torch.equal(found, expected)
    samples = same_file["waveform"].numpy()[0]
    assert np.array_equal(file["waveform"].numpy()[0], as_float(samples))


def test_x_vectors_have_the_layers_that_are_run_here(small_models: Path) -> None:
    """Frames, then pooling, then one projection: an upgrade that adds a step is noticed."""
    for kind in (XVectorSincNet, XVectorMFCC):
        network = kind().eval()
        parts = separate(network)
        assert parts
        samples, masks = torch.randn(2, 1, SAMPLE_RATE), torch.ones(2, 1, 50)
        with torch.inference_mode():
            pooled = parts.pool(parts.frames(samples), masks)[:, 0]
            assert torch.equal(parts.project(pooled), network(samples, weights=masks[:, 0]))
