"""The steps of diarization whose memory grows too fast with a file's length, made to fit any length."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from pyannote.core import SlidingWindow

MOST_CLUSTERED = 15_000
"""Embeddings that are clustered at once: some four hours of dialogue. Clustering takes 7.6 bytes times the square of
their number, here 1.7 GB."""
FRAMES_AT_ONCE = 100_000
SCALED = ("Fb", "min_cluster_size")
"""Parameters of pyannote.audio's clusterings that weigh against the number of embeddings."""


def thin(clustering: Any) -> None:
    """Let a pyannote.audio clustering find the speakers in at most MOST_CLUSTERED embeddings, evenly spaced.

    Its own last step assigns all embeddings to those speakers. Each speaker has fewer embeddings in a thinned set, so
    what weighs against their number is scaled by as much: VBx's preference for few speakers (Fb), which then finds what
    it would find if each embedding stood there once more for each one left out, and the smallest size of a cluster.
    """
    every = clustering.filter_embeddings
    usual = {name: getattr(clustering, name) for name in SCALED if hasattr(clustering, name)}

    def filter_embeddings(*arguments: Any, **options: Any) -> tuple[npt.NDArray[Any], ...]:
        found = every(*arguments, **options)
        number = len(found[0])
        kept = min(number, MOST_CLUSTERED)
        # Set for each file, as this is the first that a clustering calls.
        for name, value in usual.items():
            scaled = value * kept / max(number, 1)
            setattr(clustering, name, max(1, round(scaled)) if isinstance(value, int) else scaled)
        chosen = np.linspace(0, number - 1, kept).astype(int) if kept < number else slice(None)
        return tuple(part[chosen] for part in found)

    clustering.filter_embeddings = filter_embeddings


def add_up(
    segmentations: npt.NDArray[Any],
    windows: "SlidingWindow",
    frames: "SlidingWindow",
    speakers: npt.NDArray[np.integer[Any]],
) -> npt.NDArray[np.float32]:
    """Return how active each speaker is in each frame of a file, summed over windows: shape (frames, speakers).

    `segmentations` has shape (windows, frames of a window, local speakers), and `speakers`, shape (windows, local
    speakers), says who a local speaker is: -2 is nobody. Local speakers who are the same count once. `frames` begins
    where `windows` does.
    """
    number, width, _ = segmentations.shape
    end = windows.start + windows.duration + (number - 1) * windows.step
    total = frames.closest_frame(end + 0.5 * frames.duration) + 1
    summed = np.zeros((total, np.max(speakers) + 1), np.float32)
    for i, (local, who) in enumerate(zip(segmentations, speakers, strict=True)):
        first = frames.closest_frame(windows[i].start + 0.5 * frames.duration)
        for speaker in set(who.tolist()) - {-2}:
            summed[first : first + width, speaker] += np.max(local[:, who == speaker], axis=1)
    return summed


def most_active(activity: npt.NDArray[np.float32], count: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.float32]:
    """Return 1.0 for the speakers who are most active in a frame, as many as `count` says, else 0.0.

    `activity` has shape (frames, speakers), `count` (frames, 1).
    """
    chosen = np.zeros_like(activity)
    for first in range(0, len(activity), FRAMES_AT_ONCE):
        piece = slice(first, first + FRAMES_AT_ONCE)
        order = np.argsort(-activity[piece], axis=-1)
        np.put_along_axis(chosen[piece], order, np.arange(activity.shape[1]) < count[piece], axis=-1)
    return chosen
