"""The log-probabilities that an aligner's network gives for pieces of audio."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import torch

LEAST = 400
"""The fewest samples that the network takes; shorter pieces are padded."""
AHEAD = 1
"""How many pieces a GPU computes ahead of the CPU."""


def emissions(model: Any, kind: str, pieces: Iterable[torch.Tensor], device: str) -> Iterator[torch.Tensor]:
    """Yield for each piece, of shape (1, samples), log-probabilities of shape (frames, labels), on the CPU.

    `kind` is WhisperX's `type` of an aligner. One piece at a time: in a batch the numbers differ, even if all pieces
    have one length.
    """
    begun: deque[tuple[torch.Tensor, torch.cuda.Event | None]] = deque()
    for piece in pieces:
        begun.append(_begin(model, kind, piece, device))
        if len(begun) > AHEAD:
            yield _finish(*begun.popleft())
    while begun:
        yield _finish(*begun.popleft())


@torch.inference_mode()
def _begin(model: Any, kind: str, piece: torch.Tensor, device: str) -> tuple[torch.Tensor, torch.cuda.Event | None]:
    """Start one piece; return the memory of its result and, on a GPU, the event after which that is valid."""
    lengths = None
    if piece.shape[-1] < LEAST:
        lengths = torch.as_tensor([piece.shape[-1]]).to(device)
        piece = torch.nn.functional.pad(piece, (0, LEAST - piece.shape[-1]))
    piece = piece.to(device)
    logits = model(piece, lengths=lengths)[0] if kind == "torchaudio" else model(piece).logits
    emission = torch.log_softmax(logits, dim=-1)[0].to("cpu", non_blocking=True)  # from a GPU: to pinned memory
    if not device.startswith("cuda"):
        return emission, None
    event = torch.cuda.Event()  # type: ignore[no-untyped-call] # PyTorch has no types here
    event.record()  # type: ignore[no-untyped-call]
    return emission, event


def _finish(emission: torch.Tensor, event: torch.cuda.Event | None) -> torch.Tensor:
    if event:
        event.synchronize()
    return emission
