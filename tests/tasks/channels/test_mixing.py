"""tasks/channels/mixing.py and tasks/load_audio.py: all parts in one piece, and parts that are missing."""

import tracemalloc
import wave
from pathlib import Path

import numpy as np
import pytest
from calls import call, samples_of

from tasks.audio.types import SAMPLE_RATE, Audio, AudioFile, Samples
from tasks.channels.mixing import mixed
from tasks.load_audio import load_audio

A, B = map(samples_of, call())


def parts(*samples: Samples, offsets: tuple[float, ...] = ()) -> Audio:
    """Return a recording in parts."""
    return Audio(np.empty(0, np.int16), parts=samples, offsets_s=offsets or (0.0,) * len(samples))


def test_parts_are_added_where_they_begin() -> None:
    """Whatever their lengths; what has no parts is what it was."""
    mix = mixed(parts(A, B[: 5 * SAMPLE_RATE], offsets=(0.0, 28.5))).samples
    expected = np.zeros(round(33.5 * SAMPLE_RATE), np.int32)
    expected[: len(A)] += A
    expected[round(28.5 * SAMPLE_RATE) :] += B[: 5 * SAMPLE_RATE]
    np.testing.assert_array_equal(mix, expected)
    whole = Audio(A)
    assert mixed(whole) is whole
    assert not len(mixed(parts(A[:0], A[:0])).samples)


def test_a_mix_that_would_be_clipped_is_softer() -> None:
    """All of it, by the same factor, also where only the second minute is too loud."""
    loud = np.concatenate([A, A, A, np.full(SAMPLE_RATE, 30_000, np.int16)])
    mix = mixed(parts(loud, loud)).samples
    assert mix.max() == 32_767
    np.testing.assert_allclose(mix, loud.astype(float) * 32_767 / 30_000, atol=1)


def test_mixing_takes_little_more_memory_than_the_mix() -> None:
    """Half an hour of two channels."""
    half_hour = np.resize(A, 1_800 * SAMPLE_RATE)
    tracemalloc.start()
    try:
        mixed(parts(half_hour, half_hour))
        assert tracemalloc.get_traced_memory()[1] < 1.5 * half_hour.nbytes
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("channels", "fault"),
    [
        ((A, B), None),
        ((A, 0 * A), "channel 2 of its 2 is silent"),
        ((0 * A, A, 0 * A), "channel 1 and 3 of its 3 are silent"),
        ((0 * A, 0 * A), None),
    ],
)
def test_a_channel_that_is_silent_beside_others_is_noted(
    tmp_path: Path, channels: tuple[Samples, ...], fault: str | None
) -> None:
    """A party of a call is missing: its transcript is not to be trusted."""
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((len(channels), 2, SAMPLE_RATE, 0, "NONE", ""))
        file.writeframes(np.stack(channels, axis=1).tobytes())
    audio = load_audio.fn(AudioFile(str(path), "a.wav", 30.0, channels=len(channels), channel_mode="split"))
    assert audio.fault == fault
    for part, channel in zip(audio.parts, channels, strict=True):
        np.testing.assert_array_equal(part, channel)
