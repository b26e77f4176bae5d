"""Windows of several files computed together, as on a GPU: each file gets the turns that it gets alone."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TWO_SPEAKERS
from random_diarizers import pair, resnet34
from torch import Tensor
from whisperx.diarize import DiarizationPipeline

from tasks.audio.decoding import decode
from tasks.audio.types import SAMPLE_RATE, Samples
from tasks.diarization.mixed_windows import BYTES_FOR_A_SAMPLE, PIECES, MixedWindows, Windows, windows_that_fit
from tasks.diarization.pyannote_internals import fill_gpu, in_memory, make_lean
from tasks.models.ungated import UngatedPipeline

AMI = Path(__file__).parents[2] / "data" / "ami"
BATCH = 8
FILES = 3


class Noted(MixedWindows):
    """Notes of how many files and windows each batch is, and waits with the first of a kind until all files wait.

    There is `room` for so many windows that are embedded.
    """

    def __init__(self, room: int = BATCH) -> None:
        super().__init__()
        self.room = room
        self.seen: dict[str, list[tuple[int, int]]] = {}

    def _compute(self, pieces: Sequence[Windows]) -> Sequence[Tensor]:
        kind = pieces[0].kind
        for _ in range(6_000):
            waiting = [each.batch for each in self._batches._waiting]
            if kind in self.seen or len({id(piece.network) for piece in [*pieces, *waiting]}) == FILES:
                break
            threading.Event().wait(0.01)
        files, windows = len({id(piece.network) for piece in pieces}), sum(len(piece) for piece in pieces)
        self.seen.setdefault(kind, []).append((files, windows))
        if kind == "embedding" and windows > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return super()._compute(pieces)


def call(begin: int, seconds: int) -> Samples:
    """Return a piece of a telephone call of two."""
    return decode(str(TWO_SPEAKERS))[begin * SAMPLE_RATE : (begin + seconds) * SAMPLE_RATE]


def of_real_weights(real_diarizer: Path) -> tuple[list[Any], list[Samples]]:
    """Return pipelines campplus of pyannote.audio, and the files: a call and two meetings."""
    folder = str(UngatedPipeline().folder(str(real_diarizer)))
    meetings = [decode(str(AMI / f"{name}.flac"))[: 13 * SAMPLE_RATE] for name in ("trn03", "trn06")]
    return [DiarizationPipeline(folder, device="cpu").model for _ in range(FILES)], [call(6, 12), *meetings]


def of_random_weights(small_models: Path) -> tuple[list[Any], list[Samples]]:
    """Return pipelines with a network of the default one's size, and pieces of a call."""
    made = [pair(small_models, resnet34, vbx=False)[0] for _ in range(FILES)]
    return made, [call(6, 6), call(10, 7), call(14, 6)]


def steps(pipeline: Any, samples: Samples) -> tuple[Any, Any]:
    """Return the turns of a file, and the embeddings of its windows."""
    pipeline.segmentation_batch_size = pipeline.embedding_batch_size = BATCH
    seen: dict[str, Any] = {}
    found = pipeline(
        in_memory(pipeline, samples), min_speakers=2, hook=lambda name, what, **_: seen.update({name: what})
    )
    return list(found.speaker_diarization.itertracks(yield_label=True)), seen["embeddings"]


@pytest.mark.parametrize(
    ("make", "models", "room"),
    [
        (of_real_weights, "real_diarizer", BATCH),
        (of_real_weights, "real_diarizer", BATCH // 4),
        (of_random_weights, "small_models", BATCH),
    ],
)
def test_each_file_gets_the_turns_that_it_gets_alone(
    request: pytest.FixtureRequest, make: Callable[[Path], Any], models: str, room: int
) -> None:
    """By pyannote.audio's own code; also if several files' windows find no room and are then computed by themselves."""
    torch.set_num_threads(1)
    pipelines, files = make(request.getfixturevalue(models))
    expected = [steps(pipelines[0], samples) for samples in files]
    mixed = Noted(room)
    for pipeline in pipelines:
        make_lean(pipeline, mixed)
    with ThreadPoolExecutor(FILES) as threads:
        found = list(threads.map(steps, pipelines, files))
    for (turns, embeddings), (turns_alone, embeddings_alone) in zip(found, expected, strict=True):
        assert len({speaker for *_, speaker in turns}) > 1
        assert turns == turns_alone
        assert np.array_equal(embeddings, embeddings_alone)
    for kind in ("segmentation", "embedding"):
        assert max(files for files, _ in mixed.seen[kind]) > 1, mixed.seen


def test_what_fills_a_gpu_changes_no_turn(small_models: Path, real_diarizer: Path) -> None:
    """Larger batches: embeddings are equal but for their last bits. Convolutions are measured for a ResNet alone."""
    torch.set_num_threads(1)
    (pipeline, *_), (samples, *_) = of_random_weights(small_models)
    turns_before, embeddings_before = steps(pipeline, samples)
    make_lean(pipeline)
    fill_gpu(pipeline, 2 * BATCH)
    assert (pipeline.segmentation_batch_size, pipeline.embedding_batch_size) == (4 * BATCH, 2 * BATCH)
    assert torch.backends.cudnn.benchmark
    turns, embeddings = steps(pipeline, samples)
    assert turns == turns_before
    assert np.allclose(embeddings, embeddings_before, rtol=0, atol=1e-5)
    folder = str(UngatedPipeline().folder(str(real_diarizer)))
    fill_gpu(DiarizationPipeline(folder, device="cpu").model, BATCH)
    assert not torch.backends.cudnn.benchmark


def test_batches_of_all_lengths_are_computed_as_multiples_of_eight() -> None:
    """As far as there is room for so many; each piece gets what it gets alone."""
    mixed, shapes = MixedWindows(), []

    def network(numbers: Tensor) -> Tensor:
        shapes.append(len(numbers))
        return numbers * 2

    for windows, size in ((1, 32), (8, 32), (13, 32), (3, 4), (9, 8), (11, 12)):
        rows = torch.arange(windows)
        assert mixed.submit(Windows("embedding", network, (rows,), size)).result().tolist() == (rows * 2).tolist()
    assert shapes == [8, 8, 16, 4, 9, 12]


def test_a_file_fills_batches_by_itself() -> None:
    """In order, the last of which is filled up, and two batches of pieces ahead."""
    mixed, ahead, sizes = MixedWindows(), 2 * PIECES, []

    def wait_for(pieces: int) -> None:
        for _ in range(6_000):
            if len(mixed._batches._waiting) == pieces:
                break
            threading.Event().wait(0.01)

    def segment(rows: Tensor) -> Tensor:
        wait_for(ahead)
        return rows

    def embed(numbers: Tensor) -> Tensor:
        sizes.append(len(numbers))
        if len(sizes) < 5:
            wait_for(ahead - 1)  # all but the piece that its thread has taken out
        return numbers + 100

    pieces = (Windows("embedding", embed, (torch.arange(first, first + 2),), 8) for first in range(0, 42, 2))
    first = mixed.submit(Windows("segmentation", segment, (torch.zeros(1),), 8))
    assert torch.cat(list(mixed.each(pieces))).tolist() == list(range(100, 142))
    first.result()
    assert sizes == [8] * 6


def test_a_batch_on_a_gpu_is_as_large_as_its_free_memory_allows() -> None:
    """A power of two, at least one; windows of 10 s on free GPUs of 8, 24 and 80 GB."""
    window = 10 * SAMPLE_RATE
    assert [windows_that_fit(gigabytes << 30, window) for gigabytes in (0, 1, 8, 24, 80)] == [1, 1, 4, 16, 32]
    assert windows_that_fit(8 * 8 * window * BYTES_FOR_A_SAMPLE - 1, window) == 4
