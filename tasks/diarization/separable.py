"""Speaker embeddings of a file's windows, with the network run once for each window instead of once for each speaker.

An embedding network first turns a window into frames. Which speaker is meant matters only when these are pooled, yet
pyannote.audio runs the whole network again for each of a window's speakers.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")


@dataclass(frozen=True)
class SeparableNetwork:
    """An embedding network in three steps."""

    frames: "Callable[[Tensor], Tensor]"
    """From samples, shape (windows, 1, samples), to what the network hears in them."""
    pool: "Callable[[Tensor, Tensor], Tensor]"
    """From that and masks, shape (windows, speakers, frames), to statistics, shape (windows, speakers, pooled).

    They are zeros for a speaker whose mask is."""
    project: "Callable[[Tensor], Tensor]"
    """From statistics, shape (rows, pooled), to embeddings, shape (rows, dimension)."""

    def statistics(self, samples: "Tensor", masks: "Tensor") -> "Tensor":
        """Return what is pooled for each speaker of some windows, shape (windows, speakers, pooled)."""
        return self.pool(self.frames(samples), masks)

    def statistics_of_several(self, samples: "Tensor", masks: "Tensor") -> "Tensor":
        """Return the same, of a single window as it is beside others: PyTorch convolves one in another way."""
        if len(samples) > 1:
            return self.statistics(samples, masks)
        return self.statistics(samples.repeat(2, 1, 1), masks.repeat(2, 1, 1))[:1]


def embed_windows(
    network: SeparableNetwork,
    inputs: "Callable[[Sequence[int]], tuple[Tensor, Tensor]]",
    pieces: Sequence[Sequence[int]],
    statistics: "Iterable[Tensor]",
    shape: tuple[int, int],
    batch_size: int,
) -> "Tensor":
    """Return an embedding for each speaker of each window, shape (windows times speakers, dimension), in order.

    `pieces` are the numbers of the windows that are not silent, in order, of which there is at least one; `statistics`
    are those of each piece. `inputs` gives the samples and masks of some windows. `shape` is the numbers of windows and
    speakers.

    Equal to what pyannote.audio computes with this `batch_size`, to the last bit on a CPU: a convolution's result for a
    window does not depend on the batch around it, so pieces may have any length. The last bits of a matrix product do
    depend on its number of rows, so `project` is given as many as pyannote.audio gives it.
    """
    import torch

    windows, speakers = shape
    rows = _rows(zip(pieces, statistics, strict=True), shape)
    found = [network.project(torch.stack(batch)) for batch in batched(rows, batch_size)]
    last = pieces[-1][-1:]
    if windows * speakers % batch_size == 1 and last[0] == windows - 1:  # pyannote.audio computes it alone
        found[-1] = network.project(network.statistics(*inputs(last))[0, -1:])
    return torch.cat(found)


def _rows(statistics: "Iterable[tuple[Sequence[int], Tensor]]", shape: tuple[int, int]) -> "Iterator[Tensor]":
    """Yield what is pooled for each speaker of each window, shape (pooled,): zeros in those that are silent."""
    windows, speakers = shape
    reached = 0
    for numbers, pooled in statistics:
        silent = pooled.new_zeros(pooled.shape[2])
        for number, of_window in zip(numbers, pooled, strict=True):
            yield from [silent] * ((number - reached) * speakers)
            yield from of_window
            reached = number + 1
    yield from [silent] * ((windows - reached) * speakers)


def used_masks(active: Any, least: int | None) -> Any:
    """Return where each speaker of some windows is heard, shape (windows, speakers, frames), float32 array.

    `active` has shape (windows, frames, speakers). Unless `least` is None, frames with several speakers are left out
    for those who have more than `least` frames to themselves.
    """
    masks = np.nan_to_num(active, nan=0.0).astype(np.float32)
    if least is not None:
        alone = masks * (masks.sum(axis=2, keepdims=True) < 2)  # noqa: PLR2004
        masks = np.where(alone.sum(axis=1, keepdims=True) > least, alone, masks)
    return np.ascontiguousarray(masks.transpose(0, 2, 1))


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the items in lists of `size`, the last of which may be shorter."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def in_pieces(items: Iterable[T], size: int) -> list[list[T]]:
    """Return the items in lists of `size`, the last of which may be shorter, or longer by one: none is left alone.

    A window that is alone is computed as two; see `statistics_of_several`.
    """
    pieces = list(batched(items, size))
    if size > 1 and len(pieces) > 1 and len(pieces[-1]) == 1:
        pieces[-2:] = [pieces[-2] + pieces[-1]]
    return pieces
