"""Diarize a made-up talk of many hours: memory, seconds and speakers found, ours and with pyannote.audio's own code.

    python benchmarks/long_diarization.py HOURS [--persons 6] [--own]

The networks are left out, as their cost grows with the length alone: windows of 10 s of a random talk, and embeddings
that lie around a point for each person, stand for what they give. All else is the pipeline as it is, with the samples
in memory. `--own` runs pyannote.audio's own code too and compares the turns; it takes 8 bytes times the square of the
number of embeddings, some 10 GB for 6 hours.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from conftest import built_models

SAMPLE_RATE, FRAMES, WINDOW_S, DIMENSION = 16_000, 589, 10, 128
FRAME_S = WINDOW_S / FRAMES
ACTIVE_SHARE = 0.2


def talk(hours: float, persons: int) -> Any:
    """Return when each person speaks, shape (frames, persons): turns of 2 to 8 s, some overlapping."""
    random = np.random.default_rng(0)
    total = int(hours * 3600 / FRAME_S)
    speaks, now = np.zeros((total, persons), np.int8), 0
    shares = np.arange(persons, 0, -1) / sum(range(persons + 1))
    while now < total:
        length = int(random.uniform(2, 8) / FRAME_S)
        begin = max(0, now - int(0.5 / FRAME_S)) if random.random() < 0.1 else now + int(0.3 / FRAME_S)  # noqa: PLR2004
        speaks[begin : begin + length, random.choice(persons, p=shares)] = 1
        now = begin + length
    return speaks


def windows_of(speaks: Any, hours: float) -> tuple[Any, Any, int]:
    """Return what the networks would give: who of three speaks in each window, and their embeddings.

    Also how many of these pyannote.audio clusters: of those who speak alone for a fifth of the window.
    """
    random = np.random.default_rng(1)
    number, persons = int(hours * 3600) - WINDOW_S + 1, speaks.shape[1]
    points = random.normal(size=(persons, DIMENSION)).astype(np.float32)
    local = np.zeros((number, FRAMES, 3), np.int8)
    embeddings = random.normal(scale=0.6, size=(number, 3, DIMENSION)).astype(np.float32)
    clustered = 0
    for window in range(number):
        first = min(round(window / FRAME_S), len(speaks) - FRAMES)
        here = speaks[first : first + FRAMES]
        alone = here * (here.sum(axis=1, keepdims=True) == 1)
        clustered += int((alone.sum(axis=0) >= ACTIVE_SHARE * FRAMES).sum())
        for place, person in enumerate(np.argsort(-here.sum(axis=0), kind="stable")[:3]):
            local[window, :, place] = here[:, person]
            embeddings[window, place] += points[person]
    return local, embeddings, clustered


def pipeline(*, ours: bool, local: Any, embeddings: Any) -> Any:
    """Return a pipeline with these in place of its networks' results."""
    from pyannote.audio import Inference, Pipeline
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.segmentation import PyanNet

    from tasks.diarization.pyannote_internals import make_lean

    found = Pipeline.from_pretrained(built_models() / "diarize-tiny")
    network = PyanNet()
    network.specifications = Specifications(
        problem=Problem.MONO_LABEL_CLASSIFICATION,
        resolution=Resolution.FRAME,
        duration=float(WINDOW_S),
        classes=["a", "b", "c"],
        powerset_max_classes=2,
        permutation_invariant=True,
    )
    network.build()
    segmentation: Any = Inference(network, duration=float(WINDOW_S), step=1.0, skip_aggregation=True, batch_size=32)
    found._segmentation = segmentation  # noqa: SLF001
    given = iter(range(len(local)))
    kind = np.int8 if ours else np.float32
    found.get_embeddings = lambda *_, **__: embeddings
    if ours:
        make_lean(found)
    segmentation.infer = lambda chunks: np.stack([local[next(given)] for _ in chunks]).astype(kind)
    return found


def measure(kind: str, hours: float, persons: int, out: str) -> None:
    """Diarize in this process, and print the seconds and the memory; write the turns."""
    import torch

    local, embeddings, clustered = windows_of(talk(hours, persons), hours)
    samples = np.random.default_rng(2).integers(-99, 99, int(hours * 3600) * SAMPLE_RATE, np.int16)
    made = pipeline(ours=kind == "ours", local=local, embeddings=embeddings)
    waveform = samples if kind == "ours" else samples.astype(np.float32)
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, time.process_time()
    found = made({"waveform": torch.from_numpy(waveform)[None], "sample_rate": SAMPLE_RATE})
    seconds, most = time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    turns = [(turn.start, turn.end, speaker) for turn, _, speaker in found.speaker_diarization.itertracks(True)]
    Path(out).write_text(json.dumps(turns))
    number = len(found.speaker_diarization.labels())
    print(
        f"{kind}: {hours:g} h, {clustered} embeddings, {len(turns)} turns, {number} speakers, {seconds:.0f} core-s, ",
        end="",
    )
    print(f"{most} MB at most, {before} MB of them before it began", flush=True)


def annotation(turns: Any) -> Any:
    """Return turns as pyannote has them."""
    from pyannote.core import Annotation, Segment

    found = Annotation()
    for i, (start, end, speaker) in enumerate(turns):
        found[Segment(start, end), i] = speaker
    return found


def true_turns(speaks: Any) -> list[tuple[float, float, str]]:
    """Return the turns of the talk."""
    edges = np.diff(np.pad(speaks, ((1, 1), (0, 0))), axis=0)
    ends = ((np.flatnonzero(edges[:, k] > 0), np.flatnonzero(edges[:, k] < 0), str(k)) for k in range(speaks.shape[1]))
    return [(a * FRAME_S, b * FRAME_S, k) for begins, stops, k in ends for a, b in zip(begins, stops, strict=True)]


def main() -> None:
    """Run each kind in a process of its own, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hours", type=float)
    parser.add_argument("--persons", type=int, default=6)
    parser.add_argument("--own", action="store_true")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        measure(given.measure[0], given.hours, given.persons, given.measure[1])
        return
    from pyannote.metrics.diarization import DiarizationErrorRate

    Path("bench").mkdir(exist_ok=True)
    found = {"the talk": annotation(true_turns(talk(given.hours, given.persons)))}
    for kind in ("ours", *(["pyannote.audio"] if given.own else [])):
        out = f"bench/long-{kind}.json"
        command = [sys.executable, __file__, f"{given.hours}", "--persons", f"{given.persons}", "--measure", kind, out]
        subprocess.run(command, check=True)
        found[kind] = annotation(json.loads(Path(out).read_text()))
    for reference in found.keys() - {"ours"}:
        rate = DiarizationErrorRate()(found[reference], found["ours"])
        print(f"diarization error rate of ours against {reference}: {100 * rate:.2f} %")


if __name__ == "__main__":
    main()
