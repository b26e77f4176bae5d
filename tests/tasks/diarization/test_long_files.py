"""tasks/diarization/long_files.py: a file of any length has its speakers found, in bounded memory."""

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyannote.audio.core.plda import PLDA
from pyannote.audio.pipelines import SpeakerDiarization
from pyannote.audio.pipelines.clustering import AgglomerativeClustering, VBxClustering
from pyannote.core import Annotation, Segment, SlidingWindow, SlidingWindowFeature
from pyannote.metrics.diarization import DiarizationErrorRate

from tasks.diarization import long_files
from tasks.diarization.long_files import add_up, most_active, thin
from tasks.diarization.pyannote_internals import LeanDiarization

WINDOWS = 700
DIMENSION = 128
ANY_NUMBER = {"min_clusters": 1, "max_clusters": np.inf, "num_clusters": None}


def talk(windows: int = WINDOWS, shares: tuple[float, ...] = (0.5, 0.3, 0.15, 0.05)) -> tuple[Any, Any]:
    """Return embeddings and who speaks in each window: two persons, of those who have these shares of the talk.

    A person's embeddings lie around one point. The third place of a window is empty.
    """
    random = np.random.default_rng(0)
    points = random.normal(size=(len(shares), DIMENSION))
    persons = np.array([random.choice(len(shares), 2, replace=False, p=shares) for _ in range(windows)])
    embeddings = random.normal(scale=0.6, size=(windows, 3, DIMENSION))
    embeddings[:, :2] += points[persons]
    active = np.zeros((windows, 50, 3), np.float32)
    active[:, :25, 0] = active[:, 25:, 1] = 1
    return embeddings, SlidingWindowFeature(active, SlidingWindow(duration=5.0, step=0.5))


def vbx(small_models: Path) -> Any:
    """Return the clustering of the default pipeline."""
    clustering = VBxClustering(PLDA.from_pretrained(small_models / "diarize-tiny" / "plda"))
    return clustering.instantiate({"threshold": 0.6, "Fa": 0.07, "Fb": 0.8})


def centroid(_small_models: Path) -> Any:
    """Return that of the pipelines before it."""
    clustering = AgglomerativeClustering()
    return clustering.instantiate({"method": "centroid", "threshold": 0.8, "min_cluster_size": 12})


def labels(clusters: Any) -> Annotation:
    """Return half a second of each speaker of each window."""
    found = Annotation()
    for i, clusters_of_window in enumerate(clusters):
        for speaker in range(2):
            found[Segment(i + speaker / 2, i + speaker / 2 + 0.5)] = int(clusters_of_window[speaker])
    return found


@pytest.mark.parametrize("make", [vbx, centroid])
def test_a_thinned_set_finds_the_speakers_of_all(
    make: Any, small_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tenth of the embeddings finds the speaker who has a twentieth of the talk, and all are assigned."""
    embeddings, active = talk()
    whole, _, _ = make(small_models)(embeddings=embeddings.copy(), segmentations=active, **ANY_NUMBER)
    monkeypatch.setattr(long_files, "MOST_CLUSTERED", 140)
    clustering = make(small_models)
    thin(clustering)
    found, _, centroids = clustering(embeddings=embeddings.copy(), segmentations=active, **ANY_NUMBER)
    assert len(centroids) == 4
    assert found.shape == whole.shape
    assert DiarizationErrorRate()(labels(whole), labels(found)) < 0.01


def test_a_file_of_usual_length_is_clustered_as_by_pyannote(small_models: Path) -> None:
    """Also after a long one, in the same process."""
    embeddings, active = talk(100)
    expected = vbx(small_models)(embeddings=embeddings, segmentations=active, **ANY_NUMBER)
    clustering = vbx(small_models)
    thin(clustering)
    with pytest.MonkeyPatch.context() as long:
        long.setattr(long_files, "MOST_CLUSTERED", 50)
        clustering(embeddings=embeddings, segmentations=active, **ANY_NUMBER)
    assert clustering.Fb < 0.8
    found = clustering(embeddings=embeddings, segmentations=active, **ANY_NUMBER)
    assert clustering.Fb == 0.8
    assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))


def test_the_thinned_set_is_spread_over_the_whole_file(small_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that who speaks at its end alone is found."""
    embeddings, active = talk(100)
    monkeypatch.setattr(long_files, "MOST_CLUSTERED", 20)
    clustering = vbx(small_models)
    thin(clustering)
    kept, windows, speakers = clustering.filter_embeddings(embeddings, segmentations=active)
    assert len(kept) == 20
    assert (windows[0], windows[-1]) == (0, 99)
    assert np.array_equal(kept, embeddings[windows, speakers])


def test_who_is_most_active_speaks() -> None:
    """As many as speak at a time, frame by frame."""
    activity = np.array([[3, 1, 2], [3, 1, 2], [0, 0, 5]], np.float32)
    count = np.array([[2], [0], [1]])
    assert most_active(activity, count).tolist() == [[1, 0, 1], [0, 0, 0], [0, 0, 1]]


def test_local_speakers_who_are_one_person_count_once() -> None:
    """And who is nobody does not count."""
    local = np.ones((2, 4, 3), np.float32)
    windows, frames = SlidingWindow(duration=4.0, step=2.0), SlidingWindow(duration=1.0, step=1.0)
    summed = add_up(local, windows, frames, np.array([[0, 0, -2], [1, -2, -2]]))
    assert summed[:6, 0].tolist() == [1, 1, 1, 1, 0, 0]
    assert summed[:6, 1].tolist() == [0, 0, 1, 1, 1, 1]


def test_a_long_file_is_put_together_in_little_memory() -> None:
    """50 minutes: pyannote.audio's array of all windows, frames and 20 speakers takes 281 MB as float64."""
    windows, frames, speakers = 6_000, 293, 20
    random = np.random.default_rng(0)
    active = (random.random((windows, frames, 3)) < 0.3).astype(np.int8)
    segmentations = SlidingWindowFeature(active, SlidingWindow(duration=5.0, step=0.5))
    resolution = SlidingWindow(duration=0.06, step=5.0 / frames)
    count = SpeakerDiarization.speaker_count(segmentations, resolution, warm_up=(0.0, 0.0))
    clusters = random.integers(0, speakers, (windows, 3))
    found, most = [], []
    for kind in (LeanDiarization, SpeakerDiarization):
        tracemalloc.start()  # counts what NumPy allocates
        found.append(kind.reconstruct(kind.__new__(kind), segmentations, clusters, count).data)
        most.append(tracemalloc.get_traced_memory()[1] / 1e6)
        tracemalloc.stop()
    assert np.array_equal(found[0], found[1])
    assert most[0] < 0.5 * most[1], most
