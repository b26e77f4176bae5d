"""Speaker embeddings of a file's windows, with the network run once for each window instead of once for each speaker.

An embedding network first turns a window into frames. Which speaker is meant matters only when these are pooled, yet
pyannote.audio runs the whole network again for each of a window's speakers.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

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


def embed_windows(
    network: SeparableNetwork,
    samples: "Callable[[Sequence[int]], Tensor]",
    masks: "Callable[[Sequence[int]], Tensor]",
    heard: Sequence[int],
    shape: tuple[int, int],
    batch_size: int,
    at_once: int,
) -> "Tensor":
    """Return an embedding for each speaker of each window, shape (windows times speakers, dimension), in order.

    `samples` and `masks` give those of some windows by their numbers, on the network's device. The windows that are not
    `heard` are silent and are not computed; at least one is heard. `shape` is the numbers of windows and speakers.

    Equal to what pyannote.audio computes with this `batch_size`, to the last bit on a CPU: a convolution's result for a
    window does not depend on the batch around it, so `at_once` windows may be computed at a time. The last bits of a
    matrix product do depend on its number of rows, so `project` is given as many as pyannote.audio gives it. And
    PyTorch computes the convolution of a single short window in another way than that of several.
    """
    import torch

    windows, speakers = shape
    statistics = _statistics(network, samples, masks, batched(heard, at_once), shape, repeat=batch_size > 1)
    found = [network.project(torch.stack(batch)) for batch in batched(statistics, batch_size)]
    if windows * speakers % batch_size == 1 and heard[-1] == windows - 1:  # pyannote.audio computes it alone
        last = network.pool(network.frames(samples(heard[-1:])), masks(heard[-1:]))[0, -1:]
        found[-1] = network.project(last)
    return torch.cat(found)


def _statistics(
    network: SeparableNetwork,
    samples: "Callable[[Sequence[int]], Tensor]",
    masks: "Callable[[Sequence[int]], Tensor]",
    batches: Iterable[list[int]],
    shape: tuple[int, int],
    *,
    repeat: bool,
) -> "Iterator[Tensor]":
    """Yield what is pooled for each speaker of each window, shape (pooled,); `batches` of windows are computed.

    With `repeat`, a batch of one is computed as one of two.
    """
    windows, speakers = shape
    reached = 0
    for numbers in batches:
        computed = numbers * 2 if repeat and len(numbers) == 1 else numbers
        pooled = network.pool(network.frames(samples(computed)), masks(computed))
        silent = pooled.new_zeros(pooled.shape[2])
        for number, of_window in zip(numbers, pooled, strict=False):
            yield from [silent] * ((number - reached) * speakers)
            yield from of_window
            reached = number + 1
    yield from [silent] * ((windows - reached) * speakers)


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the items in lists of `size`, the last of which may be shorter."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
