"""Calibrate the limits by which people are known again: cosines of voices of one person and of different persons.

    python benchmarks/speakers.py [--diarize_model MODEL] [--speaker_limits NAMED,SUGGESTED] [FOLDER ...]

Cuts what each speaker says alone into pieces of 5 and 10 s, and makes a voice of each with the embedding model of
the pipeline MODEL (campplus): as it is, through MP3 at 64 kbit/s and through a telephone's band with A-law. Prints the
least and the mean cosine of one person, the most of two, the equal error rate, and false and missed matches at the
limits, those of the model if none are given.
The speech is that of tests/data/ami, tests/data/voices and pyannote.audio's sample, and clips in nine languages, which
are compared with the others alone: two may have the voice of one machine. With FOLDERs it is theirs alone: recordings
and a reference.rttm, or a folder of samples for each person, as of --speakers.
"""

import argparse
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import combinations, product
from pathlib import Path

import numpy as np
from imageio_ffmpeg import get_ffmpeg_exe
from pyannote.database.util import load_rttm

from tasks.audio.decoding import decode
from tasks.audio.types import SAMPLE_RATE, Samples
from tasks.diarization.loading import diarizers, find_voices
from tasks.diarization.voices import Voice, speech_alone
from tasks.models.compute_limits import compute_limits
from tasks.models.options import ModelOptions
from tasks.people.limits import LIMITS, Limits, parse_limits
from tasks.people.matching import unit_vectors

DATA = Path(__file__).parent.parent / "tests" / "data"
LENGTHS_S = (5, 10)
CHANNELS = {
    "plain": [],
    "mp3": ["-c:a", "libmp3lame", "-b:a", "64k", "-f", "mp3"],
    "telephone": ["-af", "highpass=f=300,lowpass=f=3400", "-ar", "8000", "-c:a", "pcm_alaw", "-f", "wav"],
}
"""What FFmpeg does to a piece of speech."""


@dataclass(frozen=True)
class Piece:
    """A piece of what a person says alone, and its voice through a channel."""

    person: str
    recording: str
    samples: Samples
    channel: str = "plain"
    voice: Voice | None = None


def package(name: str) -> Path:
    """Return where a package is installed."""
    spec = find_spec(name)
    return Path(next(iter(spec.submodule_search_locations or []))) if spec else Path()


def speech(folders: list[Path]) -> Iterator[Piece]:
    """Yield what each person says alone in a recording, one piece after the other."""
    for rttm in [folder / "reference.rttm" for folder in folders if (folder / "reference.rttm").exists()]:
        yield from of_reference(rttm)
    for folder in folders:
        for sample in sorted(folder.glob("*/*.*")):
            yield Piece(sample.parent.name, str(sample), decode(str(sample)))
    if not folders:
        for rttm in (DATA / "ami" / "reference.rttm", DATA / "voices" / "reference.rttm"):
            yield from of_reference(rttm)
        yield from of_reference(package("pyannote.audio") / "sample" / "sample.rttm")
        for language in sorted((package("pytest_audioeval") / "samples" / "audio").iterdir()):
            clips = np.concatenate([decode(str(clip)) for clip in sorted(language.glob("*.wav"))])
            yield Piece(f"clips {language.name}", language.name, clips)


def of_reference(rttm: Path) -> Iterator[Piece]:
    """Yield the same of the recordings beside a reference."""
    for name, annotation in load_rttm(rttm).items():
        recording = next(path for path in rttm.parent.glob(f"{name}.*") if path.suffix in (".flac", ".wav"))
        samples = decode(str(recording))
        turns = [(turn.start, turn.end, speaker) for turn, _, speaker in annotation.itertracks(yield_label=True)]
        for speaker, pieces in speech_alone(turns).items():
            cut = [samples[round(a * SAMPLE_RATE) : round(b * SAMPLE_RATE)] for a, b in pieces if b - a >= 1]
            if cut:
                yield Piece(speaker, name, np.concatenate(cut))


def through(samples: Samples, channel: str) -> Samples:
    """Return speech through one of the channels."""
    if not CHANNELS[channel]:
        return samples
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "coded")
        source = ["-f", "s16le", "-ar", str(SAMPLE_RATE), "-ac", "1", "-i", "-"]
        command = [get_ffmpeg_exe(), "-loglevel", "error", *source, *CHANNELS[channel], str(out)]
        subprocess.run(command, input=samples.tobytes(), check=True)
        return decode(str(out))


def voices(spoken: list[Piece], length_s: int, model: str) -> list[Piece]:
    """Return the voices of all pieces of this length through all channels; of the clips the whole."""
    with diarizers(model, ModelOptions(device="cpu", threads=1)).acquire() as pipeline:
        network = pipeline.model
    pieces = []
    for each in spoken:
        length = length_s * SAMPLE_RATE
        starts = [0] if each.person.startswith("clips") else range(0, len(each.samples) - length + 1, length)
        pieces += [replace(each, samples=each.samples[start : start + length]) for start in starts]
    made = []
    for piece, channel in product([each for each in pieces if len(each.samples) == length], CHANNELS):
        sound = through(piece.samples, channel)
        found = find_voices(network, sound, [(0.0, len(sound) / SAMPLE_RATE, "one")])
        if found:
            made.append(replace(piece, channel=channel, voice=found["one"]))
    return made


def show(title: str, same: list[float], other: list[float], limits: Limits) -> None:
    """Print a row of the table."""
    if not same or not other:
        return
    alike, unlike = np.array(same), np.array(other)
    at = np.unique(np.concatenate([alike, unlike]))
    equal = min(max((alike < limit).mean(), (unlike >= limit).mean()) for limit in at)
    print(
        f"| {title} | {len(alike)} | {alike.mean():.2f} ({alike.min():.2f}) | {len(unlike)} | {unlike.max():.2f} "
        f"| {equal:.1%} | {(unlike >= limits.named).mean():.2%} | {(alike < limits.named).mean():.1%} "
        f"| {(alike < limits.suggested).mean():.1%} |"
    )


def compare(pieces: list[Piece], length_s: int, given: Limits | None) -> None:
    """Print a row for each pair of channels, and for one person in two recordings."""
    vectors = unit_vectors(piece.voice for piece in pieces if piece.voice)
    cosines = vectors @ vectors.T
    model = next(piece.voice.model for piece in pieces if piece.voice)
    limits = given or LIMITS.get(model, Limits(0.65, 0.55))
    for one, other in [(c, c) for c in CHANNELS] + list(combinations(CHANNELS, 2)):
        same, apart, different = [], [], []
        for i, j in combinations(range(len(pieces)), 2):
            a, b = pieces[i], pieces[j]
            clips = a.person.startswith("clips") and b.person.startswith("clips")
            if {a.channel, b.channel} != {one, other} or a.samples is b.samples or clips:
                continue
            (same if a.person == b.person else different).append(float(cosines[i, j]))
            if a.person == b.person and a.recording != b.recording:
                apart.append(float(cosines[i, j]))
        show(f"{length_s} s, {one} and {other}", same, different, limits)
        show("of these in two recordings", apart, different, limits)
    print(
        f"\nmodel {model}, limits {limits}; bandwidth: "
        + ", ".join(
            f"{channel} {sorted({p.voice.bandwidth for p in pieces if p.voice and p.channel == channel})}"
            for channel in CHANNELS
        )
        + "\n"
    )


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--diarize_model", default="campplus")
    parser.add_argument("--speaker_limits", type=parse_limits)
    parser.add_argument("folders", nargs="*", type=Path)
    given = parser.parse_args()
    compute_limits.configure(parallel=1, threads=1)
    spoken = list(speech(given.folders))
    print({f"{each.person} {each.recording}": round(len(each.samples) / SAMPLE_RATE, 1) for each in spoken})
    print(
        "| voices of | pairs of one person | mean (least) | of two | most | equal error | false | missed | below both |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for length_s in LENGTHS_S:
        compare(voices(spoken, length_s, given.diarize_model), length_s, given.speaker_limits)


if __name__ == "__main__":
    main()
