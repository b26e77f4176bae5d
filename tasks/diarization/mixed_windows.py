"""Windows of several files in one batch for a pipeline's networks, on a GPU."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from math import log2
from typing import TYPE_CHECKING

from tasks.models.shared_batches import SharedBatches

if TYPE_CHECKING:
    from torch import Tensor
    from torch.cuda import Event

PIECES = 4
"""A file's windows come in pieces of a quarter of a batch, so that those of several files fill it."""
MOST_WINDOWS = 32
"""A ResNet34 took an H100 1.7 ms a window of 10 s in batches of 16 to 56, and 3.4 ms in batches of 64
(benchmarks/RESULTS.md)."""
MULTIPLE = 8
"""Batches are filled up to a multiple of this: cuDNN chooses a convolution for each shape that it meets, which takes
time, and chose one that takes ten times as long for batches of 4."""
BYTES_FOR_A_SAMPLE = 1_024
"""GPU memory for each sample of a window: 16 activations of a ResNet34's first layers, each of 64 bytes (32 channels of
80 bins in float32, a frame for 160 samples). That H100 used twice as much for 32 windows, and for 128 two thirds of it,
cuDNN's memory included."""
FREE_MEMORY_USED = 1 / 8
"""The models of the other stages need the rest."""


@dataclass(eq=False)
class Windows:
    """Windows of one file for one network of a pipeline, of which at most `size` are computed at a time."""

    kind: str
    """Which of the pipeline's networks: those of all pipelines of a `MixedWindows` have the same weights."""
    network: "Callable[..., Tensor]"
    inputs: "tuple[Tensor, ...]"
    """Its arguments, each with one row for each window."""
    size: int

    def __len__(self) -> int:
        return len(self.inputs[0])

    @property
    def batch_key(self) -> tuple[str, int]:
        """What windows must have in common to be computed as one batch."""
        return self.kind, self.size


class MixedWindows:
    """Computes the windows of all files whose pipelines share it in one thread, several files' in one batch."""

    def __init__(self) -> None:
        self._batches = SharedBatches(self._compute, "diarizer")
        self._previous: Event | None = None
        self._size = 0

    def batch_size(self, samples: int) -> int:
        """Return how many windows of so many samples are embedded at a time, by the GPU memory that is free at first.

        It stays the same: only batches of one size are mixed.
        """
        import torch

        self._size = self._size or windows_that_fit(torch.cuda.mem_get_info()[0], samples)
        return self._size

    def submit(self, windows: Windows) -> "Future[Tensor]":
        """Queue the windows of a file, and return the future of what the network gives for them, on its device."""
        return self._batches.submit(windows)

    def each(self, pieces: Iterable[Windows]) -> "Iterator[Tensor]":
        """Yield what the network gives for each piece of a file; two batches are prepared ahead."""
        begun: deque[Future[Tensor]] = deque()
        try:
            for piece in pieces:
                while len(begun) >= 2 * PIECES:
                    yield begun.popleft().result()
                begun.append(self.submit(piece))
            for each in begun:
                yield each.result()
        finally:
            for each in begun:
                each.cancel()

    def _compute(self, pieces: Sequence[Windows]) -> "Sequence[Tensor]":
        """Compute pieces as one batch. Returns while a GPU computes it, once that is done with the batch before it.

        So the GPU always has its next batch, and what files submit meanwhile fills the one after that.
        """
        import torch

        windows = sum(map(len, pieces))
        spare = min(-windows % MULTIPLE, max(0, pieces[0].size - windows))
        with torch.inference_mode():
            inputs = [_joined(of_pieces, spare) for of_pieces in zip(*(piece.inputs for piece in pieces), strict=True)]
            found = pieces[0].network(*inputs)[:windows]
        if found.is_cuda:
            begun = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
            begun.record()  # type: ignore[no-untyped-call]
            if self._previous:
                self._previous.synchronize()
            self._previous = begun
        return torch.split(found, [len(piece) for piece in pieces])


def _joined(tensors: "Sequence[Tensor]", spare: int) -> "Tensor":
    """Return the rows of all tensors, and the first one so many times more."""
    import torch

    first = tensors[0][:1]
    return torch.cat([*tensors, first.expand(spare, *first.shape[1:])])


def windows_that_fit(free_bytes: int, samples: int) -> int:
    """Return how many windows of so many samples a batch has on a GPU with so much free memory: a power of two."""
    fit = free_bytes * FREE_MEMORY_USED / (samples * BYTES_FOR_A_SAMPLE)
    return min(MOST_WINDOWS, 1 << int(log2(max(fit, 1))))
