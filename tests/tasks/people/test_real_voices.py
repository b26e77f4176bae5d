"""tasks/people/ with real voices: false names and missed ones, also through MP3 and a telephone."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import TWO_SPEAKERS
from imageio_ffmpeg import get_ffmpeg_exe
from pyannote.core import Segment
from pyannote.database.util import load_rttm

from tasks.audio.decoding import decode
from tasks.diarization.loading import diarizers, find_voices
from tasks.diarization.voices import MIN_PIECE_S, Piece, Turn, Voice, speech_alone
from tasks.models.compute_limits import compute_limits
from tasks.models.options import ModelOptions
from tasks.people.known import KnownVoice, Person
from tasks.people.limits import CAMPPLUS, SURE_S
from tasks.people.matching import Matcher

AMI = Path(__file__).parents[2] / "data" / "ami"
CHANNELS = {
    "plain": ["-f", "wav"],
    "mp3": ["-b:a", "64k", "-f", "mp3"],
    "telephone": ["-af", "highpass=f=300,lowpass=f=3400", "-ar", "8000", "-c:a", "pcm_alaw", "-f", "wav"],
}
Halves = dict[tuple[str, int], dict[str, Voice]]


@pytest.fixture(name="halves", scope="module")
def _halves(real_diarizer: Path, tmp_path_factory: pytest.TempPathFactory) -> Halves:
    """The voices in each half of three excerpts of meetings, by channel and half, and those of a call."""
    compute_limits.configure(parallel=1, threads=1)
    torch.set_num_threads(1)
    models = ModelOptions(device="cpu", threads=1, model_dir=str(real_diarizer), offline=True)
    with diarizers("campplus", models).acquire() as pipeline:
        network = pipeline.model
    found: Halves = {}
    for channel, options in CHANNELS.items():
        for source in (*(AMI / f"trn0{number}.flac" for number in (3, 5, 6)), TWO_SPEAKERS):
            coded = tmp_path_factory.mktemp("coded") / "speech"
            command = [get_ffmpeg_exe(), "-loglevel", "error", "-i", str(source), *options, str(coded)]
            subprocess.run(command, check=True)
            rttm = AMI / "reference.rttm" if source.parent == AMI else source.with_suffix(".rttm")
            for half in (0, 1):
                turns = said_by(rttm, source.stem, half)
                voices = find_voices(network, decode(str(coded)), turns)
                found.setdefault((channel, half), {}).update(voices)
    return found


def said_by(rttm: Path, recording: str, half: int) -> list[Turn]:
    """Return the reference's turns before or after the middle of what the one who says most says alone."""
    reference = load_rttm(rttm)[recording]
    turns = [(turn.start, turn.end, speaker) for turn, _, speaker in reference.itertracks(yield_label=True)]
    alone = max(speech_alone(turns).values(), key=length)
    middle = next(
        float(begin) for begin in np.arange(0.0, 30.0, 0.1) if 2 * length(before(alone, begin)) >= length(alone)
    )
    part = reference.crop(Segment(0, middle) if half == 0 else Segment(middle, 30))
    return [(turn.start, turn.end, speaker) for turn, _, speaker in part.itertracks(yield_label=True)]


def before(pieces: list[Piece], middle: float) -> list[Piece]:
    """Return the parts of pieces that are before a time."""
    return [(start, min(end, middle)) for start, end in pieces if start < middle]


def length(pieces: list[Piece]) -> float:
    """Return how long the pieces are together, of those that are not too short for a voice."""
    return sum(end - start for start, end in pieces if end - start >= MIN_PIECE_S)


@pytest.mark.parametrize(
    ("known", "speaking", "named"),
    [
        ("plain", "plain", True),
        ("plain", "mp3", True),
        ("mp3", "plain", True),
        ("telephone", "telephone", True),
        ("plain", "telephone", False),
    ],
)
def test_people_of_one_half_are_named_in_the_other(halves: Halves, known: str, speaking: str, named: bool) -> None:  # noqa: FBT001
    """No name is false. Those who say 10 s in both halves are named; on the telephone only if known from it."""
    of_first, of_second = halves[known, 0], halves[speaking, 1]
    people = [Person(name, name, [KnownVoice(voice, "", "first")]) for name, voice in of_first.items()]
    found = Matcher(people, limits=None).matches(of_second)
    assert all(match["name"].rstrip("?") == match["label"] for match in found), found
    both = of_first.keys() & of_second.keys()
    long = {who for who in both if min(of_first[who].seconds, of_second[who].seconds) >= SURE_S}
    assert len(long) == 3
    assert {match["name"] for match in found if match["sure"]} == (long if named else set())


def test_the_limits_are_those_of_the_weights(halves: Halves) -> None:
    """Which the pipeline `campplus` has."""
    assert {voice.model for voices in halves.values() for voice in voices.values()} == {CAMPPLUS}
