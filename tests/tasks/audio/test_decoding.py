"""tasks/audio/decoding.py: what PyAV decodes is what the ffmpeg program decodes, and what is not audio says so."""

import errno
import os
import subprocess
from pathlib import Path

import av
import numpy as np
import pytest
from encoding import encode

from tasks.audio.container import UnreadableAudio, fault
from tasks.audio.decoding import decode, probe
from tasks.audio.types import SAMPLE_RATE, as_float
from tasks.errors import will_last


@pytest.mark.parametrize(
    ("name", "codec", "rate", "layout"),
    [
        ("mono.wav", "pcm_s16le", 16_000, "mono"),
        ("stereo.wav", "pcm_s16le", 44_100, "stereo"),
        ("float.wav", "pcm_f32le", 48_000, "stereo"),
        ("8bit.wav", "pcm_u8", 8_000, "mono"),
        ("surround.wav", "pcm_s16le", 48_000, "5.1"),
        ("stereo.flac", "flac", 44_100, "stereo"),
        ("stereo.mp3", "libmp3lame", 44_100, "stereo"),
        ("talk.m4a", "aac", 48_000, "stereo"),
        ("talk.opus", "libopus", 48_000, "mono"),
        ("talk.dat", "flac", 16_000, "mono"),
    ],
)
def test_decodes_the_samples_that_the_ffmpeg_program_decodes(
    tmp_path: Path, environment: dict[str, str], name: str, codec: str, rate: int, layout: str
) -> None:
    """Sample for sample, over containers, codecs, rates, channels, and a name that says nothing."""
    if name.endswith(".dat"):
        path = encode(tmp_path / "talk.flac", codec, rate=rate, layout=layout).rename(tmp_path / name)
    else:
        path = encode(tmp_path / name, codec, rate=rate, layout=layout)
    command = ["ffmpeg", "-nostdin", "-i", path, "-f", "s16le", "-ac", "1", "-acodec", "pcm_s16le", "-ar", "16000", "-"]
    raw = subprocess.run(command, capture_output=True, check=True, env=environment).stdout
    expected, found = np.frombuffer(raw, np.int16), decode(str(path))
    if codec == "aac":
        # FFmpeg 7, in the program, drops the encoder's padding at the end, which FFmpeg 8, in PyAV, hands out: 5 ms.
        assert 0 <= len(found) - len(expected) < 0.02 * SAMPLE_RATE
        shared = len(expected) - SAMPLE_RATE // 100
        found, expected = found[:shared], expected[:shared]
    np.testing.assert_array_equal(found, expected)
    assert probe(str(path)).duration_s == pytest.approx(len(raw) / 2 / SAMPLE_RATE, abs=0.1)


def test_reads_the_sound_of_a_video(tmp_path: Path) -> None:
    """The audio track of an mp4 with pictures, ten seconds of it."""
    path = encode(tmp_path / "film.mp4", "aac", rate=48_000, layout="stereo", video=True)
    assert len(decode(str(path))) == pytest.approx(10 * SAMPLE_RATE, rel=0.01)


def test_passes_over_broken_packets_as_ffmpeg_does(tmp_path: Path) -> None:
    """An mp3 with a hole of noise in it still gives the rest."""
    path = encode(tmp_path / "a.mp3", "libmp3lame", rate=44_100, layout="stereo")
    whole, data = len(decode(str(path))), bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 2_000] = os.urandom(2_000)
    path.write_bytes(data)
    assert len(decode(str(path))) > 0.9 * whole


def test_follows_a_change_of_format_midway(tmp_path: Path) -> None:
    """Two mp3 of different rates, joined as bytes, give the sound of both."""
    first = encode(tmp_path / "a.mp3", "libmp3lame", rate=44_100, layout="stereo").read_bytes()
    second = encode(tmp_path / "b.mp3", "libmp3lame", rate=22_050, layout="mono").read_bytes()
    joined = tmp_path / "joined.mp3"
    joined.write_bytes(first + second)
    assert len(decode(str(joined))) == pytest.approx(20 * SAMPLE_RATE, rel=0.02)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty"), (b"This is a letter, not a recording.\n" * 100, "not audio that FFmpeg reads"), (None, "no such")],
)
def test_says_why_a_file_is_not_audio(tmp_path: Path, content: bytes | None, reason: str) -> None:
    """Empty, text, missing: each refused when probed and when decoded, in a few words."""
    path = tmp_path / "a.wav"
    if content is not None:
        path.write_bytes(content)
    for read in (probe, decode):
        with pytest.raises(UnreadableAudio, match=reason):
            read(str(path))


def test_refuses_a_fifo_without_opening_it(tmp_path: Path) -> None:
    """Opening one would wait for a writer for ever."""
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(UnreadableAudio, match="not a regular file"):
        probe(str(tmp_path / "pipe.wav"))


def test_refuses_a_video_without_sound(tmp_path: Path) -> None:
    """It names the reason, instead of giving an empty transcript."""
    with av.open(str(tmp_path / "mute.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 64
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))))
        container.mux(stream.encode(None))
    with pytest.raises(UnreadableAudio, match="no audio track"):
        probe(str(tmp_path / "mute.mp4"))


def test_does_not_follow_a_playlist_to_other_files(tmp_path: Path) -> None:
    """A playlist renamed to .wav would otherwise be a way to read any file."""
    encode(tmp_path / "secret.wav", "pcm_s16le", rate=16_000, layout="mono")
    playlist = tmp_path / "list.wav"
    playlist.write_text(f"ffconcat version 1.0\nfile '{tmp_path / 'secret.wav'}'\n")
    with pytest.raises(UnreadableAudio):
        decode(str(playlist))


def test_scales_samples_as_whisperx_does() -> None:
    """Exactly int16 / 32768 in float32."""
    samples = np.array([-32768, -1, 0, 1, 32767], np.int16)
    np.testing.assert_array_equal(as_float(samples), samples.flatten().astype(np.float32) / 32768.0)


@pytest.mark.parametrize(("number", "lasting"), [(errno.EACCES, False), (errno.EPERM, False), (errno.EINVAL, True)])
def test_a_file_that_may_not_be_read_is_tried_again_by_later_runs(number: int, lasting: bool) -> None:  # noqa: FBT001
    """Its permission may change without its size and time."""
    assert will_last(fault("speech.wav", "it cannot be opened", OSError(number, "no"))) == lasting
