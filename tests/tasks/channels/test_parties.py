"""tasks/channels/parties.py: only recordings of separate parties are split. Others: benchmarks/channels.py."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from calls import Sound, at, call, noise, room, samples_of
from sound_files import ffmpeg

from tasks.audio.decoding import decode_channels
from tasks.audio.types import SAMPLE_RATE, Samples
from tasks.channels.parties import two_parties

A, B = call()
LINE_A, LINE_B = A + noise(len(A), -65), B + noise(len(B), -65, 2)
MONO = A + B
SPEECH, QUIET = np.tile(A, 6) + noise(6 * len(A), -65), noise(6 * len(A), -65, 2)
TONES = np.sin(2 * np.pi * 440 * np.arange(len(A)) / SAMPLE_RATE)
BARS, FOURTHS = (np.arange(len(A)) // (2 * SAMPLE_RATE) % number for number in (2, 4))


def through(folder: Path, left: Sound, right: Sound, codec: str) -> list[Samples]:
    """Return both channels after a codec."""
    raw = folder / "raw"
    raw.write_bytes(np.stack([samples_of(left), samples_of(right)], axis=1).tobytes())
    arguments = ["-f", "s16le", "-ar", str(SAMPLE_RATE), "-ac", "2", "-i", raw, *codec.split()]
    return decode_channels(str(ffmpeg(folder / "coded", *arguments)))


@pytest.mark.parametrize(
    "channels",
    [
        pytest.param((LINE_A, LINE_B), id="a call"),
        pytest.param((LINE_A + at(-15, B), LINE_B + at(-15, A)), id="each is heard in the other, 15 dB softer"),
        pytest.param((LINE_A + at(-20, B), at(-10, LINE_B + at(-20, A))), id="one channel is softer"),
        pytest.param((LINE_A, LINE_B + at(-20, np.roll(A, 3_200))), id="an echo after 0.2 s"),
        pytest.param((LINE_A, np.roll(LINE_B, -2 * SAMPLE_RATE)), id="they talk over each other"),
        pytest.param(
            (room(A, 5) + at(-15, room(B, 4, delay=100)), room(B, 6) + at(-15, room(A, 3, delay=100))),
            id="two microphones in one room",
        ),
        pytest.param((LINE_A, LINE_B, 0 * A, noise(len(A), -50)), id="two of four channels are not in use"),
    ],
)
def test_separate_parties_are_split(channels: tuple[Sound, ...]) -> None:
    """Both speak, and each is far softer in the other's channel."""
    assert two_parties([samples_of(each) for each in channels])


@pytest.mark.parametrize(
    "channels",
    [
        pytest.param((MONO, MONO), id="mono"),
        pytest.param((MONO, at(-15, MONO)), id="mono, one channel softer"),
        pytest.param((MONO, np.roll(MONO, 16)), id="mono, one channel late"),
        pytest.param((MONO, -MONO), id="mono, one channel inverted"),
        pytest.param((MONO + noise(len(A), -40), MONO + noise(len(A), -40, 2)), id="mono with other noise in each"),
        pytest.param((room(MONO, 1, 0.3), room(MONO, 2, 0.3, 10)), id="one source in a room"),
        pytest.param(
            (room(A, 7) + at(-9, room(B, 8, delay=60)), at(-9, room(A, 9, delay=60)) + room(B, 10)),
            id="spaced microphones",
        ),
        pytest.param((MONO * (BARS == 0), MONO), id="one channel drops out"),
        pytest.param((MONO * (FOURTHS != 0), MONO * (FOURTHS != 1)), id="one channel or the other drops out"),
        pytest.param((SPEECH, QUIET + at(-20, np.roll(SPEECH, 4_800))), id="three minutes of one party and its echo"),
        pytest.param((MONO, 0 * MONO), id="a silent channel"),
        pytest.param((MONO, noise(len(MONO), -40)), id="a channel of noise"),
        pytest.param((MONO, 0.2 * TONES * BARS), id="a channel of tones that come and go"),
        pytest.param((A, B, (A + B) / 2), id="two parties and their mix"),
        pytest.param((MONO,), id="one channel"),
        pytest.param((MONO[:0], MONO[:0]), id="no samples"),
        pytest.param((MONO[:100], MONO[:100]), id="less than a frame"),
        pytest.param((0 * MONO, 0 * MONO), id="silence"),
    ],
)
def test_one_sound_in_all_channels_is_not_split(channels: tuple[Sound, ...]) -> None:
    """Nor is speech beside a channel in which nobody speaks."""
    assert not two_parties([samples_of(each) for each in channels])


@pytest.mark.parametrize(
    "codec", ["-c:a libmp3lame -b:a 64k -f mp3", "-c:a aac -b:a 48k -f adts", "-c:a pcm_mulaw -ar 8000 -f wav"]
)
def test_codecs_do_not_change_it(tmp_path: Path, codec: str) -> None:
    """Joint stereo mixes the channels' errors, and a telephone's band is narrow."""
    assert two_parties(through(tmp_path, LINE_A + at(-20, B), LINE_B + at(-20, A), codec))
    assert not two_parties(through(tmp_path, MONO, MONO, codec))


def test_hours_take_no_more_memory_than_their_samples(peak_bytes: Callable[[Callable[[], object]], int]) -> None:
    """An hour of two channels is listened to a minute at a time."""
    hour = [np.tile(samples_of(each), 120) for each in (LINE_A, LINE_A)]
    assert peak_bytes(lambda: two_parties(hour)) < 100 << 20


@pytest.fixture(name="peak_bytes")
def _peak_bytes() -> Callable[[Callable[[], object]], int]:
    """Return a function that returns how much memory a call takes at its peak."""
    import tracemalloc

    def peak(call: Callable[[], object]) -> int:
        tracemalloc.start()
        try:
            call()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    return peak
