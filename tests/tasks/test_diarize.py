"""tasks/diarize.py with a real pipeline: silence, and a GPU without room."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TWO_SPEAKERS

from tasks.audio.decoding import decode
from tasks.diarization.loading import diarizers
from tasks.diarize import Diarization, DiarizeOptions, diarize_samples
from tasks.models.compute_limits import compute_limits
from tasks.models.options import ModelOptions
from tasks.oom import GpuOutOfMemory

CPU = ModelOptions(device="cpu", threads=1)


@pytest.fixture(name="options")
def _options(small_models: Path) -> DiarizeOptions:
    compute_limits.configure(parallel=1, threads=1)
    return DiarizeOptions(diarize_model=str(small_models / "diarize-tiny"))


def test_silence_has_no_speakers(options: DiarizeOptions) -> None:
    """And loads no model."""
    assert diarize_samples(np.zeros(16_000, np.int16), options, CPU) == Diarization([])


def test_a_file_that_does_not_fit_the_gpu_is_tried_in_smaller_batches(
    options: DiarizeOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Halved until it fits, for this file alone."""
    samples = decode(str(TWO_SPEAKERS))
    before = diarize_samples(samples, options, CPU)
    assert before.turns
    with diarizers(options.diarize_model, CPU).acquire() as pipeline:
        model, sizes = pipeline.model, []
    usual, net = (model.segmentation_batch_size, model.embedding_batch_size), model._segmentation.model
    forward = net.forward

    def fits(most: int) -> Any:
        def run(chunks: torch.Tensor) -> Any:
            sizes.append(len(chunks))
            if sizes[-1] > most:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
            return forward(chunks)

        return run

    # In the network itself: pyannote.audio makes another error of it.
    monkeypatch.setattr(net, "forward", fits(2))
    assert diarize_samples(samples, options, CPU) == before
    assert sizes[:3] == [8, 4, 2]
    assert max(sizes[2:]) == 2
    assert (model.segmentation_batch_size, model.embedding_batch_size) == usual
    monkeypatch.setattr(net, "forward", fits(0))
    with pytest.raises(GpuOutOfMemory, match="gpu_oom"):
        diarize_samples(samples, options, CPU)
    assert (model.segmentation_batch_size, model.embedding_batch_size) == usual


def test_a_file_takes_a_pipeline_once(options: DiarizeOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    """For its turns and its voices: between the two another file could take it for as long as it is."""
    pipelines, taken = diarizers(options.diarize_model, CPU), []
    acquire = pipelines.acquire
    monkeypatch.setattr(pipelines, "acquire", lambda: taken.append("once") or acquire())
    assert diarize_samples(decode(str(TWO_SPEAKERS))[: 20 * 16_000], options, CPU).voices
    assert taken == ["once"]


def test_the_number_of_speakers_may_be_known(options: DiarizeOptions) -> None:
    """WhisperX's own call takes it, its program does not."""
    samples = decode(str(TWO_SPEAKERS))[: 12 * 16_000]
    for number in (1, 3):
        known = options.model_copy(update={"num_speakers": number})
        assert len({speaker for *_, speaker in diarize_samples(samples, known, CPU).turns}) == number


def test_exclusive_turns_do_not_overlap(options: DiarizeOptions) -> None:
    """The speakers, and their embeddings, are those of the turns that do."""
    samples = decode(str(TWO_SPEAKERS))[: 15 * 16_000]
    known = options.model_copy(update={"num_speakers": 3, "speaker_embeddings": True})
    usual = diarize_samples(samples, known, CPU)
    exclusive = diarize_samples(samples, known.model_copy(update={"exclusive_speakers": True}), CPU)

    def overlaps(found: Diarization) -> bool:
        turns = sorted(found.turns)
        return any(end > start for (_, end, _), (start, _, _) in pairwise(turns))

    assert overlaps(usual)
    assert exclusive.turns
    assert not overlaps(exclusive)
    assert exclusive.embeddings == usual.embeddings


def test_exclusive_turns_have_a_key_of_their_own() -> None:
    """And keys without them are those of version 0.2: tests/test_result_keys.py."""
    assert "exclusive_speakers" not in DiarizeOptions().key_fields()
    assert DiarizeOptions(exclusive_speakers=True).key_fields()["exclusive_speakers"] is True
