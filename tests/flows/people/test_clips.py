"""flows/people/clips.py: pieces of recordings as MP3."""

from pathlib import Path

import numpy as np
import pytest
from sound_files import ffmpeg

from flows.people.clips import mp3_of
from tasks.audio.decoding import decode
from tasks.audio.types import SAMPLE_RATE, Samples

LOUD_FROM_S = 5.0


def tone(target: Path, *codec: str) -> Path:
    """Write ten seconds of which the second half is a tone."""
    return ffmpeg(target, "-f", "lavfi", "-i", f"aevalsrc=0.5*sin(2765*t)*gte(t\\,{LOUD_FROM_S}):d=10", *codec)


def clip(folder: Path, recording: Path, start: float, end: float, track: int = 0, channel: int = 0) -> Samples:
    """Return the samples of a clip."""
    made = folder / "clip.mp3"
    made.write_bytes(mp3_of(str(recording), start, end, track, channel))
    return decode(str(made))


@pytest.mark.parametrize("offset_s", ["0", "3600"])
def test_a_clip_of_a_broadcast_counts_from_its_beginning(tmp_path: Path, offset_s: str) -> None:
    """As transcripts do: its timestamps may begin at any value."""
    film = tone(tmp_path / "film.ts", "-c:a", "mp2", "-output_ts_offset", offset_s)
    samples = clip(tmp_path, film, LOUD_FROM_S - 1, LOUD_FROM_S + 1)
    assert samples.size / SAMPLE_RATE == pytest.approx(2, abs=0.1)
    loud = float(np.flatnonzero(np.abs(samples.astype(int)) > 1_000)[0]) / SAMPLE_RATE
    assert loud == pytest.approx(1, abs=0.15)


def test_a_clip_is_of_the_track_that_was_transcribed(tmp_path: Path) -> None:
    """The first track of this film is silent, the second is a tone."""
    tones = [f"aevalsrc={volume}*sin(2765*t):d=3" for volume in ("0", "0.5")]
    inputs = [argument for tone in tones for argument in ("-f", "lavfi", "-i", tone)]
    film = ffmpeg(tmp_path / "film.mkv", *inputs, "-map", "0:a", "-map", "1:a", "-c:a", "flac")
    loudest = {track: int(np.abs(clip(tmp_path, film, 1, 2, track).astype(int)).max()) for track in (0, 1, 2)}
    assert loudest[0] == loudest[1] == pytest.approx(0, abs=10)
    assert loudest[2] > 10_000


def test_a_clip_is_of_the_channel_that_was_diarized(tmp_path: Path) -> None:
    """The first of these eight channels is silent, the last is a tone; all of them are mixed without a channel."""
    source = f"aevalsrc={'|'.join(['0'] * 7)}|0.5*sin(2765*t):d=3:c=7.1:s=48000"
    room = ffmpeg(tmp_path / "room.wav", "-f", "lavfi", "-i", source)
    loudest = {number: int(np.abs(clip(tmp_path, room, 1, 2, 0, number).astype(int)).max()) for number in (0, 1, 8)}
    assert loudest[1] == pytest.approx(0, abs=10)
    assert 0 < loudest[0] < loudest[8] // 2
    assert loudest[8] > 10_000
