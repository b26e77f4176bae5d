"""Recordings of two channels: calls and podcasts of two parties, and the same sound in both."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cases.faults import no_speech

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "tests"))
from calls import Sound, at, call, noise, room

from tasks.audio.decoding import decode
from tasks.audio.types import SAMPLE_RATE

AMI = Path(__file__).parent.parent.parent / "tests" / "data" / "ami"


@dataclass(frozen=True)
class Stereo:
    """Two channels, through a codec, and whether they are two parties. `codec`: arguments for the ffmpeg program."""

    name: str
    parties: bool
    left: Sound
    right: Sound
    codec: str = "-c:a pcm_s16le -f wav"


CODECS = {
    "mp3 64k joint": "-c:a libmp3lame -b:a 64k -f mp3",
    "mp3 32k joint": "-c:a libmp3lame -b:a 32k -f mp3",
    "aac 48k": "-c:a aac -b:a 48k -f adts",
    "opus 24k": "-c:a libopus -b:a 24k -f ogg",
    "µ-law 8 kHz": "-c:a pcm_mulaw -ar 8000 -f wav",
}


def monologue(name: str) -> Sound:
    """Return an excerpt of the AMI corpus in which mostly one person speaks."""
    return decode(str(AMI / f"{name}.flac")) / 32768.0


def two_parties() -> Iterator[Stereo]:
    """Yield what is to be split."""
    a, b = call()
    length = len(a)
    for db in (-90, -60, -50):
        yield Stereo(f"call, noise of {db} dB", True, a + noise(length, db), b + noise(length, db, 2))
    quiet_a, quiet_b = a + noise(length, -65), b + noise(length, -65, 2)
    for bleed in (-30, -20, -18, -15):
        yield Stereo(f"call, bleed {bleed} dB", True, quiet_a + at(bleed, b), quiet_b + at(bleed, a))
        echo = np.roll(a, SAMPLE_RATE // 5)
        yield Stereo(f"call, echo {bleed} dB after 0.2 s", True, quiet_a, quiet_b + at(bleed, echo))
    for gain in (10, 20, 30):
        yield Stereo(f"call, one party {gain} dB softer", True, quiet_a, at(-gain, b) + noise(length, -65, 2))
    for gain in (5, 10):
        left, right = quiet_a + at(-20, b), quiet_b + at(-20, a)
        yield Stereo(f"call, bleed -20 dB, one channel {gain} dB softer", True, left, at(-gain, right))
    for name, codec in CODECS.items():
        yield Stereo(f"call, bleed -20 dB, {name}", True, quiet_a + at(-20, b), quiet_b + at(-20, a), codec)
    for bleed in (-20, -15):
        far_a, far_b = at(bleed, room(a, 3, 1, 100)), at(bleed, room(b, 4, 1, 100))
        yield Stereo(f"podcast in one room, bleed {bleed} dB", True, room(a, 5, 1) + far_b, room(b, 6, 1) + far_a)
    rare = b.copy()
    rare[: int(np.flatnonzero(b)[-1]) - 4 * SAMPLE_RATE] = 0
    yield Stereo("call, one party says little", True, quiet_a, rare + noise(length, -65, 2))
    over = np.roll(b, -2 * SAMPLE_RATE)
    yield Stereo("call, talking over each other", True, quiet_a, over + noise(length, -65, 2))
    yield Stereo("call, talking over each other, bleed -15 dB", True, quiet_a + at(-15, over), over + at(-15, quiet_a))
    c, d = monologue("trn03"), monologue("trn06")
    c, d = c[: 24 * SAMPLE_RATE], np.roll(d, 6 * SAMPLE_RATE)[: 24 * SAMPLE_RATE]
    c[-6 * SAMPLE_RATE :] = 0
    d[: 6 * SAMPLE_RATE] = 0
    yield Stereo("two who speak at once half of the time", True, c, d)
    yield Stereo("two who speak at once half of the time, bleed -20 dB", True, c + at(-20, d), d + at(-20, c))


def one_sound() -> Iterator[Stereo]:
    """Yield what is to be mixed."""
    a, b = call()
    yield from _one_sound("call", a + b)
    yield from _one_sound("AMI", monologue("trn04"))
    for db, delay in ((3, 8), (6, 20), (9, 60)):
        left = room(a, 7, 1) + at(-db, room(b, 8, 1, delay))
        right = at(-db, room(a, 9, 1, delay)) + room(b, 10, 1)
        yield Stereo(f"spaced microphones, {db} dB", False, left, right)
    yield from _music()


def _one_sound(source: str, a: Sound) -> Iterator[Stereo]:
    length = len(a)
    yield Stereo(f"mono, {source}", False, a, a)
    for name, codec in CODECS.items():
        yield Stereo(f"mono, {source}, {name}", False, a, a, codec)
    for gain in (6, 15, 25):
        yield Stereo(f"mono, {source}, one channel {gain} dB softer", False, a, at(-gain, a))
        yield Stereo(f"the same, {source}, with noise of -60 dB", False, a, at(-gain, a) + noise(length, -60))
    for delay in (1, 5, 16, 200):
        yield Stereo(f"mono, {source}, {delay} samples late", False, a, np.roll(a, delay))
    yield Stereo(f"mono, {source}, inverted", False, a, -a)
    yield Stereo(f"mono, {source}, inverted, 6 dB softer", False, a, at(-6, -a))
    yield Stereo(
        f"mono, {source}, with noise of -40 dB in each", False, a + noise(length, -40), a + noise(length, -40, 2)
    )
    yield Stereo(f"mono, {source}, reverberated", False, room(a, 1, 1), room(a, 2, 1, 10))
    yield Stereo(f"mono, {source}, far in a room", False, room(a, 1, 0.3), room(a, 2, 0.3, 10))
    pan = 0.5 + 0.45 * np.sin(2 * np.pi * np.arange(length) / SAMPLE_RATE / 8)
    yield Stereo(f"mono, {source}, panned to and fro", False, pan * a, (1 - pan) * a)
    gone = np.arange(length) // (3 * SAMPLE_RATE) % 4
    yield Stereo(f"mono, {source}, one channel or the other drops out", False, a * (gone != 0), a * (gone != 1))
    for clip in no_speech(length // SAMPLE_RATE):
        if clip.name in {"soft white noise", "hum", "dial tone", "clicks", "beeps", "applause", "silence at -60 dB"}:
            yield Stereo(f"{source}, beside it {clip.name}", False, a, np.resize(clip.samples / 32768.0, length))
    yield Stereo(f"{source}, beside it silence", False, a, np.zeros(length))


def _music() -> Iterator[Stereo]:
    sounds = {clip.name: clip.samples / 32768.0 for clip in no_speech(30)}
    chords, melody, beat = sounds["chords"], sounds["melody"], sounds["beat"]
    yield Stereo("music, chords left, melody right", False, chords + 0.3 * melody + beat, melody + 0.3 * chords + beat)
    yield Stereo("music, hard panned, beat in both", False, chords + 0.5 * beat, melody + 0.5 * beat)
    yield Stereo("music, hard panned", False, chords, melody)
    bars = np.arange(len(chords)) // (2 * SAMPLE_RATE) % 2
    yield Stereo("music, hard panned, instruments in turn", False, chords * bars, melody * (1 - bars))
    song = at(12, np.resize(monologue("trn06"), len(chords)))
    yield Stereo("song, voice in both", False, song + chords, song + melody)
    yield Stereo("song, voice in both, instruments in turn", False, song + chords * bars, song + melody * (1 - bars))
    yield Stereo("song, voice left, music right", False, song, 0.5 * (chords + melody + beat))
    turns = 1 - np.resize(bars, len(song))
    yield Stereo("song, voice left, music right, in turn", False, song * turns, melody * bars)
