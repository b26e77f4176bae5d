"""The ffmpeg program's samples, and the words that the wav has."""

import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import QUICK_BROWN_FOX
from sound_files import LOSSLESS, LOSSY

from flows.planning.patterns import AUDIO_EXTENSIONS
from tasks.audio.container import UnreadableAudio
from tasks.load_audio import SAMPLE_RATE, Samples, decode, probe
from tasks.models.cache import ModelOptions, share
from tasks.transcribe import TranscribeOptions, transcribe_samples

TEXT = "The quick brown fox jumps over the lazy dog."
SECONDS = 2.889

WITHOUT_ENCODER = {".ape", ".gsm", ".spx"}
"""Extensions of formats that are read and that no encoder here can make."""

PADDING = 0.1 * SAMPLE_RATE
"""Samples of silence that coders of frames add at the end."""


def ffmpeg_decodes(path: Path, environment: dict[str, str]) -> Samples:
    """Return what the ffmpeg program makes of a file, as WhisperX runs it."""
    command = ["ffmpeg", "-nostdin", "-i", path, "-f", "s16le", "-ac", "1", "-acodec", "pcm_s16le", "-ar", "16000", "-"]
    return np.frombuffer(subprocess.run(command, capture_output=True, check=True, env=environment).stdout, np.int16)


def test_there_is_a_recording_of_every_extension_that_folders_are_searched_for() -> None:
    """But for those that nothing here can write."""
    assert AUDIO_EXTENSIONS - {Path(name).suffix for name in LOSSLESS | LOSSY} == WITHOUT_ENCODER


@pytest.mark.parametrize("name", LOSSLESS | LOSSY)
def test_gives_the_samples_of_the_ffmpeg_program(
    recordings: dict[str, Path], environment: dict[str, str], name: str
) -> None:
    """Sample for sample; and the plan knows how long it is, by its header or its packets."""
    path = recordings[name]
    expected, found = ffmpeg_decodes(path, environment), decode(str(path))
    if "aac" in (LOSSLESS | LOSSY)[name]:
        # The program's FFmpeg drops padding at the end, which that of PyAV hands out.
        assert 0 <= len(found) - len(expected) <= PADDING
        found = found[: len(expected)]
    np.testing.assert_array_equal(found, expected)
    assert probe(str(path)).duration_s == pytest.approx(SECONDS, abs=0.25)


@pytest.mark.parametrize("name", LOSSLESS)
def test_what_loses_nothing_sounds_like_the_original(recordings: dict[str, Path], name: str) -> None:
    """As long, as loud, and alike to a hundredth; channels that are mixed to one may come out at a fifth."""
    expected, found = decode(str(QUICK_BROWN_FOX)).astype(float), decode(str(recordings[name])).astype(float)
    assert abs(len(found) - len(expected)) <= 2
    both = min(len(found), len(expected))
    assert np.corrcoef(found[:both], expected[:both])[0, 1] > 0.99
    softest = 0.2 if "-ac" in LOSSLESS[name] else 0.98
    assert softest < np.abs(found).mean() / np.abs(expected).mean() < 1.02


WORDS = (
    "16000 hz.wav",
    "192000 hz.wav",
    "8 bit.wav",
    "7.1.wav",
    "8000 hz.wav",
    "telephone.wav",
    "adpcm.wav",
    "constant.mp3",
    "no xing.mp3",
    "film.mp4",
    "film.webm",
    "message.opus",
    "windows.wma",
    "voice.amr",
    "dolby.ac3",
    "film.ts",
    "surround.dts",
    "real.rm",
)
"""One of each kind of coding: the others have the same samples, or nearly."""


def test_every_coding_has_the_words_of_its_wav(recordings: dict[str, Path], tiny_en: str) -> None:
    """Through Whisper, also at 8 kHz and at 5 kbit/s."""
    share.take(parallel=1, threads=2)
    options = TranscribeOptions(model=tiny_en, compute_type="int8")
    texts = {}
    for name in WORDS:
        result = transcribe_samples(
            decode(str(recordings[name])), options, ModelOptions(device="cpu", threads=2)
        ).result
        texts[name] = " ".join(segment["text"].strip() for segment in result["segments"])
    assert texts == dict.fromkeys(WORDS, TEXT)


def test_names_mean_nothing(recordings: dict[str, Path], tmp_path: Path) -> None:
    """A recording with the extension of another, of a text, or none."""
    names = (
        "16000 hz.wav",
        "variable.mp3",
        "phone.m4a",
        "opus.ogg",
        "film.webm",
        "free.flac",
        "voice.amr",
        "windows.wma",
    )
    for name in names:
        expected = decode(str(recordings[name]))
        for other in ("talk.wav", "talk.mp3", "talk.mp4", "talk.flac", "talk.txt", "talk.al", "talk"):
            shutil.copy(recordings[name], tmp_path / other)
            np.testing.assert_array_equal(decode(str(tmp_path / other)), expected)


def test_an_mp3_with_a_cover_is_heard_and_its_picture_is_not_looked_at(
    recordings: dict[str, Path], tmp_path: Path
) -> None:
    """The picture is not even one."""
    picture = b"\0image/png\0\3\0" + b"\x89PNG no picture" * 5_000
    frame = b"APIC" + struct.pack(">I", len(picture)) + b"\0\0" + picture
    size = bytes(len(frame) >> shift & 0x7F for shift in (21, 14, 7, 0))
    original = recordings["no xing.mp3"]
    (tmp_path / "a.mp3").write_bytes(b"ID3\3\0\0" + size + frame + original.read_bytes())
    np.testing.assert_array_equal(decode(str(tmp_path / "a.mp3")), decode(str(original)))
    assert probe(str(tmp_path / "a.mp3")).track == "mp3"


@pytest.mark.parametrize("name", ["no xing.mp3", "layer 2.mp2", "dolby.ac3"])
def test_junk_before_the_first_frame_and_a_last_one_that_is_cut_cost_next_to_nothing(
    recordings: dict[str, Path], tmp_path: Path, name: str
) -> None:
    """As a recorder of streams leaves them, that begins and ends in the middle of a frame."""
    whole = recordings[name].read_bytes()
    path = tmp_path / name
    path.write_bytes(bytes(range(1, 256)) * 2 + whole[100:-100])
    assert len(decode(str(path))) == pytest.approx(len(decode(str(recordings[name]))), abs=0.15 * SAMPLE_RATE)


@pytest.mark.parametrize("name", ["constant.mp3", "free.flac", "16000 hz.wav", "opus.ogg", "film.mkv", "film.ts"])
def test_half_a_file_gives_half_its_sound(recordings: dict[str, Path], tmp_path: Path, name: str) -> None:
    """A copy that broke off; its header may still promise all."""
    whole = recordings[name].read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    assert len(decode(str(tmp_path / name))) == pytest.approx(SECONDS / 2 * SAMPLE_RATE, rel=0.4)


def test_an_mp4_without_its_index_says_so(recordings: dict[str, Path], tmp_path: Path) -> None:
    """A recorder writes it at the end: without it nobody can tell where the sound is."""
    whole = recordings["phone.m4a"].read_bytes()
    (tmp_path / "a.m4a").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnreadableAudio, match="not audio that FFmpeg reads: Invalid data"):
        probe(str(tmp_path / "a.m4a"))


def test_a_file_that_is_cut_off_is_no_fault_of_the_storage(recordings: dict[str, Path], tmp_path: Path) -> None:
    """FFmpeg says EIO, as of a share that is gone; it would be read again and again."""
    (tmp_path / "a.webm").write_bytes(recordings["meeting.webm"].read_bytes()[:200])
    for read in (probe, decode):
        with pytest.raises(UnreadableAudio, match="not audio that FFmpeg reads: Input/output error"):
            read(str(tmp_path / "a.webm"))


def test_several_tracks_are_told(recordings: dict[str, Path], tmp_path: Path, environment: dict[str, str]) -> None:
    """The plan names the one that is heard."""
    line = ["ffmpeg", "-loglevel", "error", "-i", recordings["stereo.wav"], "-map", "0", "-map", "0", "-c:a", "aac"]
    subprocess.run([*line, tmp_path / "two.mp4"], check=True, env=environment)
    assert probe(str(tmp_path / "two.mp4")).track == "aac, track 1 of 2"
