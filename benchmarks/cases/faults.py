"""Clips by which the check of transcripts is calibrated: real speech, sound without speech, and speech with faults."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tasks.audio.decoding import decode
from tasks.audio.types import SAMPLE_RATE, Samples

BEEP_S, CLICK = 0.2, 20
"""The length of a beep in seconds, and of a click in samples."""

CALL_BEGINS_S, SPEECH_S, LOOP_S = 7, 8, 29
"""The call of pyannote.audio begins with silence; what is put before other sounds; the length of a loop."""
LOOPS = ("en/hello_world", "en/counting", "fr/comptage")

Sound = npt.NDArray[np.float64]
"""16 kHz mono in [-1, 1], shape (samples,)."""


@dataclass(frozen=True)
class Clip:
    """A clip to transcribe. `language` is that which Whisper is told, `spoken` the one that is spoken."""

    name: str
    kind: str
    samples: Samples
    language: str
    whole: bool = False
    """Decode all of it as one chunk, without voice activity detection, so that Whisper invents text."""
    dropped: bool = False
    """The middle third of the words of each chunk is cut from the text before it is aligned."""
    looped: bool = False
    """Or replaced with a loop."""


def samples_of(sound: Sound) -> Samples:
    """Return a sound as 16-bit samples."""
    return (np.clip(sound, -1, 1 - 2**-15) * 32768).astype(np.int16)


def package(name: str) -> Path:
    """Return where a package is installed."""
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"{name} is not installed: run make test once")
    return Path(next(iter(spec.submodule_search_locations)))


def real_speech(more: list[str]) -> Iterator[Clip]:
    """Yield the speech that packages ship, in ten languages, and English recordings in `more` files."""
    audio = package("pytest_audioeval") / "samples" / "audio"
    for path in sorted(audio.glob("*/*.wav")):
        yield Clip(f"{path.parent.name}/{path.stem}", "real speech", decode(str(path)), path.parent.name)
    call = package("pyannote.audio") / "sample" / "sample.wav"
    for path in [call, *map(Path, more)]:
        yield Clip(path.stem, "real speech", decode(str(path)), "en")


def no_speech(seconds: int = 20) -> Iterator[Clip]:
    """Yield sounds without speech, each decoded as one chunk."""
    random = np.random.default_rng(1)
    time = np.arange(seconds * SAMPLE_RATE) / SAMPLE_RATE
    white = random.standard_normal(len(time))
    spectrum = np.fft.rfft(white) / np.sqrt(np.maximum(np.arange(len(time) // 2 + 1), 1))
    pink = np.fft.irfft(spectrum, len(time))
    sounds = {
        "white noise": 0.1 * white,
        "soft white noise": 0.003 * white,
        "pink noise": 0.3 * pink / np.abs(pink).max(),
        "silence at -60 dB": 0.001 * white,
        "hum": 0.3 * sum(np.sin(2 * np.pi * 50 * k * time) / k for k in range(1, 6)),
        "dial tone": 0.2 * (np.sin(2 * np.pi * 350 * time) + np.sin(2 * np.pi * 440 * time)),
        "beeps": 0.3 * np.sin(2 * np.pi * 1000 * time) * (time % 1 < BEEP_S),
        "clicks": 0.5 * (np.arange(len(time)) % 8000 < CLICK),
        "chords": _music(time, hold_s=2.0),
        "melody": _music(time, hold_s=0.4),
        "beat": 0.6 * white * np.exp(-12 * (time % 0.5)),
        "applause": 0.15 * white * (0.6 + 0.4 * np.repeat(random.random(len(time) // 800 + 1), 800)[: len(time)]),
    }
    for name, sound in sounds.items():
        yield Clip(name, "no speech", samples_of(np.asarray(sound)), "en", whole=True)


def _music(time: Sound, hold_s: float) -> Sound:
    chords = np.array([[220, 277, 330], [196, 247, 294], [175, 220, 262], [196, 233, 294]])
    chosen = chords[(time / hold_s).astype(int) % len(chords)]
    envelope = np.exp(-1.5 * (time % hold_s) / hold_s)
    return np.asarray(0.15 * envelope * sum(np.sin(2 * np.pi * chosen[:, k] * time) for k in range(3)))


def faulty(speech: dict[str, Clip]) -> Iterator[Clip]:
    """Yield clips made from those of `real_speech` that Whisper transcribes badly, or whose text has a hole."""
    call = speech["sample"].samples[CALL_BEGINS_S * SAMPLE_RATE :][: SPEECH_S * SAMPLE_RATE]
    for name in LOOPS:
        repeated = np.tile(speech[name].samples, LOOP_S)[: LOOP_S * SAMPLE_RATE]
        yield Clip(f"{name}, repeated", "loop", repeated, speech[name].language, whole=True)
    for name, clip in speech.items():
        if clip.language == "en" and len(clip.samples) > SPEECH_S * SAMPLE_RATE:
            yield Clip(f"{name} with a hole", "passage cut from the text", clip.samples, "en", dropped=True)
            yield Clip(f"{name} with a loop", "loop put into the text", clip.samples, "en", looped=True)
        if clip.language != "en":
            passage = np.concatenate([call, clip.samples])
            yield Clip(f"call, then {name}", "foreign passage", passage, "en", whole=True)
            yield Clip(f"{name} as English", "another language", clip.samples, "en")
