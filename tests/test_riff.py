"""tasks/audio/riff.py: a WAV whose header counts too little is read to its end; what programs append is not sound."""

import logging
import struct
from pathlib import Path

import numpy as np
import pytest
from conftest import TWO_SPEAKERS

from tasks.load_audio import SAMPLE_RATE, decode, probe

SECONDS = 11
SOUND = TWO_SPEAKERS.read_bytes()[-2 * SAMPLE_RATE * SECONDS :]


def chunk(kind: bytes, content: bytes, size: int | None = None) -> bytes:
    """Return a chunk; its header may lie about its size."""
    return kind + struct.pack("<I", len(content) if size is None else size) + content


def wav(path: Path, *, counted_s: float, behind: bytes = b"", before: bytes = b"", form: bytes = b"RIFF") -> str:
    """Write eleven seconds of speech, of which the header counts so many."""
    size = round(counted_s * 2 * SAMPLE_RATE)
    sound = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, SAMPLE_RATE, 2 * SAMPLE_RATE, 2, 16)) + before
    if form == b"RF64":
        sound = chunk(b"ds64", struct.pack("<QQQI", 0, size, size // 2, 0)) + sound
        size = 0xFFFFFFFF
    path.write_bytes(form + struct.pack("<I", 36) + b"WAVE" + sound + chunk(b"data", SOUND, size) + behind)
    return str(path)


def seconds(path: str) -> tuple[float, float]:
    """Return how long the plan takes a file to be, and how much of it is decoded."""
    planned = probe(path).duration_s
    return planned, len(decode(path, planned)) / SAMPLE_RATE


@pytest.mark.parametrize("form", [b"RIFF", b"RF64"])
def test_all_of_a_wav_is_read_whose_header_counts_less(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, form: bytes
) -> None:
    """As a recorder leaves it that crashed after ten more seconds; the log of the file says so."""
    path = wav(tmp_path / "a.wav", counted_s=1, form=form)
    with caplog.at_level(logging.WARNING, "tasks"):
        assert seconds(path) == pytest.approx((SECONDS, SECONDS), abs=0.01)
    assert caplog.text.count("its WAV header counts less sound than there is") == 1
    np.testing.assert_array_equal(decode(path), np.frombuffer(SOUND, np.int16))


@pytest.mark.parametrize("counted_s", [0, 0xFFFFFFFF / 2 / SAMPLE_RATE])
def test_a_wav_of_unknown_size_is_as_long_as_it_is(tmp_path: Path, counted_s: float) -> None:
    """Whatever a chunk before the sound says of its length."""
    path = wav(tmp_path / "a.wav", counted_s=counted_s, before=chunk(b"fact", struct.pack("<I", SAMPLE_RATE)))
    assert seconds(path) == pytest.approx((SECONDS, SECONDS), abs=0.01)


def test_a_wav_that_was_written_to_a_pipe_is_nothing_to_warn_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It has no size in its header, and all of it is read."""
    assert seconds(wav(tmp_path / "a.wav", counted_s=0)) == pytest.approx((SECONDS, SECONDS), abs=0.01)
    assert "WAV header" not in caplog.text


@pytest.mark.parametrize(
    "behind",
    [
        chunk(b"LIST", b"INFO" + bytes(100_000)),
        chunk(b"id3 ", bytes(70_001)),
        b"ID3\3\0\0" + bytes(70_000),
        chunk(b"odd1", bytes(50_000)) + chunk(b"odd2", bytes(40_000)),
        chunk(b"LIST", b"INFO" + bytes(60_000), size=90_000),
        bytes(20_000),
    ],
)
def test_what_programs_write_behind_the_sound_is_no_sound(tmp_path: Path, behind: bytes) -> None:
    """Chunks, known or not, whole or cut off; less than a second of anything."""
    assert seconds(wav(tmp_path / "a.wav", counted_s=SECONDS, behind=behind)) == (SECONDS, SECONDS)


@pytest.mark.parametrize("length", [4, 11, 20, 43])
def test_a_wav_that_is_cut_off_in_its_header_is_no_audio(tmp_path: Path, length: int) -> None:
    """FFmpeg says so."""
    path = tmp_path / "a.wav"
    path.write_bytes(Path(wav(path, counted_s=1)).read_bytes()[:length])
    with pytest.raises(Exception, match=r"not audio that FFmpeg reads|no recording|no audio track"):
        probe(str(path))
