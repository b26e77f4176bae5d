"""tasks/audio/decoding.py: each channel of a track as the mono file of that channel."""

import wave
from pathlib import Path

import numpy as np
import pytest
from conftest import SAMPLES, TWO_SPEAKERS
from sound_files import ffmpeg, late_film

from tasks.audio.container import UnreadableAudio
from tasks.audio.decoding import decode, decode_channels

CLIPS = [TWO_SPEAKERS, *sorted((SAMPLES / "en").glob("*.wav"))]


def channels_of(path: Path, source: list[Path], codec: str, rate: int = 44_100) -> Path:
    """Write a file with another recording in each channel, cut to 9 s from the eighth on."""
    inputs = [argument for each in source for argument in ("-ss", "7" if each == TWO_SPEAKERS else "0", "-i", each)]
    padded = "".join(f"[{n}:a]aresample={rate},apad=whole_dur=9,atrim=0:9[c{n}];" for n in range(len(source)))
    joined = "".join(f"[c{n}]" for n in range(len(source)))
    mixed = f"{padded}{joined}join=inputs={len(source)}:channel_layout={len(source)}c[a]"
    return ffmpeg(path, *inputs, "-filter_complex", mixed, "-map", "[a]", *codec.split())


def alone(path: Path, source: Path, channel: int, codec: str) -> Path:
    """Write the mono file of a channel."""
    return ffmpeg(path, "-i", source, "-af", f"pan=mono|c0=c{channel}", *codec.split())


@pytest.mark.parametrize(
    ("name", "codec", "channels"),
    [
        ("a.wav", "-c:a pcm_s16le", 1),
        ("a.wav", "-c:a pcm_s16le", 2),
        ("a.wav", "-c:a pcm_s24le", 6),
        ("a.wav", "-c:a pcm_f32le", 8),
        ("a.flac", "-c:a flac -sample_fmt s16", 2),
        ("a.flac", "-c:a flac -sample_fmt s32", 8),
        ("a.wav", "-c:a pcm_mulaw -ar 8000", 2),
    ],
)
def test_a_channel_has_the_samples_of_its_own_mono_file(tmp_path: Path, name: str, codec: str, channels: int) -> None:
    """Bit for bit, from 44.1 and 8 kHz, with and without loss."""
    file = channels_of(tmp_path / name, (CLIPS * channels)[:channels], codec)
    found = decode_channels(str(file))
    assert len(found) == channels
    for number, samples in enumerate(found):
        mono = alone(tmp_path / f"{number}-{name}", file, number, codec)
        np.testing.assert_array_equal(samples, decode(str(mono)))


@pytest.mark.parametrize("codec", ["-c:a libmp3lame -b:a 64k", "-c:a libmp3lame -b:a 64k -joint_stereo 0"])
def test_channels_of_an_mp3_are_those_that_ffmpeg_decodes(tmp_path: Path, codec: str) -> None:
    """Joint stereo too: the mono file is made of what the decoder gives."""
    file = channels_of(tmp_path / "a.mp3", CLIPS[:2], codec)
    for number, samples in enumerate(decode_channels(str(file))):
        mono = alone(tmp_path / f"{number}.wav", file, number, "-c:a pcm_f32le")
        np.testing.assert_array_equal(samples, decode(str(mono)))


def test_channels_follow_the_time_line_as_their_mix_does(tmp_path: Path) -> None:
    """Of a film whose edit list starts the sound at 5 s: the silence before it is in each channel."""
    sound = channels_of(tmp_path / "a.wav", CLIPS[:2], "-c:a pcm_s16le")
    film = late_film(tmp_path / "film.mp4", sound, "libx264 -preset ultrafast -c:a aac -ac 2")
    left, right = decode_channels(str(film))
    mix = decode(str(film))
    assert len(left) == len(right) == len(mix) > 13 * 16_000
    assert not left[:79_000].any()
    assert not right[:79_000].any()
    np.testing.assert_allclose((left.astype(int) + right) / 2, mix, atol=1.5)


def test_what_has_another_number_of_channels_is_in_each(tmp_path: Path) -> None:
    """A broadcast in stereo with a piece in mono: both channels have it, at its place."""
    stereo = channels_of(tmp_path / "stereo.ts", CLIPS[:2], "-c:a mp2 -b:a 192k -f mpegts")
    mono = alone(tmp_path / "mono.ts", stereo, 0, "-c:a mp2 -b:a 96k -f mpegts")
    both = tmp_path / "both.ts"
    both.write_bytes(stereo.read_bytes() + mono.read_bytes())
    left, right = decode_channels(str(both))
    middle = len(left) // 2
    assert len(left) == len(right) > 17 * 16_000
    assert np.abs(left[:middle].astype(int) - right[:middle]).max() > 1_000
    np.testing.assert_array_equal(left[middle + 4_000 :], right[middle + 4_000 :])
    assert left[middle + 4_000 :].any()


def test_more_than_eight_channels_are_refused(tmp_path: Path) -> None:
    """With their number, before anything is decoded."""
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((9, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes(18 * 16_000))
    with pytest.raises(UnreadableAudio, match="it has 9 channels, more than the 8 "):
        decode_channels(str(tmp_path / "a.wav"))
