"""tasks/audio/phase.py: stereo whose channels cancel each other is heard all the same."""

import logging
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import TWO_SPEAKERS
from sound_files import ffmpeg

from tasks.audio.decoding import decode, decode_audio
from tasks.audio.types import SAMPLE_RATE, Samples

SAYS = "its two channels cancel each other when they are mixed"


def stereo(path: Path, left: Samples, right: Samples, codec: str = "pcm_s16le", rate: int = SAMPLE_RATE) -> str:
    """Write two channels."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout="stereo")
        frame = av.AudioFrame.from_ndarray(np.stack([left, right], axis=1).reshape(1, -1), "s16", "stereo")
        frame.sample_rate = SAMPLE_RATE
        resampler = av.AudioResampler(stream.format, "stereo", rate, frame_size=stream.frame_size or 1_024)
        for resampled in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(resampled))
        container.mux(stream.encode(None))
    return str(path)


@pytest.fixture(name="call", scope="module")
def _call() -> Samples:
    """30 s of a call, as loud as it can be."""
    call = decode(str(TWO_SPEAKERS)).astype(float)
    return (call * 30_000 / np.abs(call).max()).astype(np.int16)


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.wav", "pcm_s16le"),
        ("a.wav", "pcm_u8"),
        ("a.wav", "pcm_f32le"),
        ("a.wav", "pcm_s32le"),
        ("a.flac", "flac"),
        ("a.m4a", "aac"),
        ("a.mp3", "libmp3lame"),
    ],
)
def test_of_channels_that_cancel_each_other_the_louder_is_used(
    tmp_path: Path, call: Samples, caplog: pytest.LogCaptureFixture, name: str, codec: str
) -> None:
    """Their sum is next to nothing, which would be an empty transcript; the log of the file says so."""
    path = stereo(tmp_path / name, (-0.95 * call).astype(np.int16), call, codec)
    with caplog.at_level(logging.WARNING, "tasks"):
        found = decode(path)
    assert f"{SAYS}: channel 2 is used" in caplog.text
    lossy = codec in {"aac", "libmp3lame"}
    begin = 2_048 if codec == "aac" else 0
    shift = max(
        range(0, begin + 1, 64), key=lambda n: float(np.dot(found[n : n + 160_000].astype(float), call[:160_000]))
    )
    found = found[shift : shift + len(call)].astype(float)
    assert np.corrcoef(found, call[: len(found)])[0, 1] > (0.9 if lossy else 0.99)


def test_channels_that_cancel_each_other_after_a_mono_beginning(tmp_path: Path, call: Samples) -> None:
    """As in streams that were pieced together, whose header says that there is one channel."""
    mono = ffmpeg(tmp_path / "mono.mp3", "-i", TWO_SPEAKERS, "-af", "volume=0.05", "-ac", "1", "-ar", "16000")
    later = stereo(tmp_path / "later.mp3", (-0.95 * call).astype(np.int16), call, "libmp3lame")
    pieced = tmp_path / "pieced.mp3"
    pieced.write_bytes(mono.read_bytes() + Path(later).read_bytes())
    audio = decode_audio(str(pieced))
    assert str(audio.fault).startswith(f"{SAYS}: channel 2 is used")
    assert np.abs(audio.samples[-len(call) :]).max() > np.abs(call).max() / 2


@pytest.mark.parametrize("kind", ["alike", "left alone", "unlike", "silent", "inverted for a while"])
def test_ordinary_stereo_is_mixed_as_ffmpeg_mixes_it(
    tmp_path: Path, call: Samples, caplog: pytest.LogCaptureFixture, environment: dict[str, str], kind: str
) -> None:
    """Sample for sample, and nothing is said."""
    half = call.copy()
    half[: len(half) // 2] *= -1
    left, right = {
        "alike": (call, call),
        "left alone": (call, np.zeros_like(call)),
        "unlike": (call, call[::-1]),
        "silent": (np.full_like(call, 3), np.full_like(call, -3)),
        "inverted for a while": (call, half),
    }[kind]
    path = stereo(tmp_path / "a.wav", left, right, rate=44_100)
    raw = ffmpeg(tmp_path / "raw", "-i", path, "-f", "s16le", "-ac", "1", "-ar", "16000").read_bytes()
    np.testing.assert_array_equal(decode(path), np.frombuffer(raw, np.int16))
    long = ffmpeg(tmp_path / "64 bit.wav", "-i", path, "-c:a", "pcm_s64le")  # PyAV makes no arrays of these
    np.testing.assert_allclose(decode(str(long)), decode(path), atol=1)  # it rounds otherwise
    assert SAYS not in caplog.text


@pytest.mark.parametrize(
    ("left", "right", "fault"), [(1, 0, "channel 2 of its two is silent"), (0, 0, None), (1, 1, None)]
)
def test_a_channel_that_is_silent_beside_the_other_is_noted(
    tmp_path: Path, call: Samples, left: int, right: int, fault: str | None
) -> None:
    """A microphone or a party of a call is missing; not where both are silent."""
    path = stereo(tmp_path / "a.wav", (call * left).astype(np.int16), (call * right).astype(np.int16))
    assert decode_audio(path).fault == fault


def test_channels_that_cancel_each_other_are_noted(tmp_path: Path, call: Samples) -> None:
    """For the check of the transcript."""
    assert str(decode_audio(stereo(tmp_path / "a.wav", -call, call)).fault).startswith(SAYS)
