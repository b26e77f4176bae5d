"""The dynamic programme of forced alignment, with the very numbers of WhisperX's `get_trellis` and `backtrack`.

The algorithm is that of PyTorch's tutorial on CTC forced alignment, quirks included.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

Scores = npt.NDArray[np.float32]


class Span(NamedTuple):
    """The frames of a token, `end` not among them, and their mean probability."""

    start: int
    end: int
    score: float


def token_spans(emission: torch.Tensor, tokens: list[int], blank: int) -> list[Span] | None:
    """Return the span of each token on the likeliest path, or None if there is none: more tokens than frames.

    `emission` is log-probabilities, float32 of shape (frames, labels), on the CPU; `tokens`, one or more, are labels.
    """
    scores = emission.numpy()
    stay, change = scores[:, blank], scores.take(tokens, axis=1)
    trellis = _trellis(stay, change)
    end = int(trellis[:, -1].argmax())
    starts = _backtrack(trellis, stay, change, end)
    if starts is None:
        return None
    # PyTorch's exponential and Python's sum, as there: NumPy's differ in the last digit.
    path = stay.copy()
    path[starts] = change[starts, range(len(tokens))]
    probabilities = torch.from_numpy(path).exp().tolist()
    return [Span(i, j, sum(probabilities[i:j]) / (j - i)) for i, j in pairwise([*starts, end])]


def _trellis(stay: Scores, change: Scores) -> Scores:
    """Return the score of the best path to each token, shape (frames + 1, tokens + 1): first before any of both.

    `stay`, of shape (frames,), and `change`, of shape (frames, tokens), are what a frame adds to a path's score.
    """
    frames, tokens = change.shape
    trellis = np.full((frames + 1, tokens + 1), -np.inf, np.float32)
    trellis[0, 0] = 0
    trellis[1:, 0] = np.cumsum(stay, dtype=np.float64)  # as torch.cumsum does on a CPU
    trellis[-tokens:, 0] = np.inf
    stayed, changed = np.empty(tokens, np.float32), np.empty(tokens, np.float32)
    # Views of each row, made once: the loop costs what its calls cost, not its additions.
    rows = zip(trellis[:-1, 1:], trellis[:-1, :-1], trellis[1:, 1:], stay, change, strict=True)
    for same, previous, reached, staying, changing in rows:
        np.add(same, staying, out=stayed)
        np.add(previous, changing, out=changed)
        np.maximum(stayed, changed, out=reached)
    return trellis


def _backtrack(trellis: Scores, stay: Scores, change: Scores, end: int) -> list[int] | None:
    """Return the first frame of each token on the path that ends before the frame `end`."""
    starts: list[int] = []
    token = change.shape[1] - 1
    for t in range(end - 1, -1, -1):
        if trellis[t, token] + change[t, token] > trellis[t, token + 1] + stay[t]:
            starts.append(t)
            if token == 0:
                return starts[::-1]
            token -= 1
    return None
