"""Recordings whose channels are diarized, or have turns without that: what is planned for them."""

import shutil
from pathlib import Path

import pytest
from batches import ALL, batch_of, do, missing, planned, with_manifest
from conftest import QUICK_BROWN_FOX, SAMPLES
from sound_files import write_wav

from flows.planning.selection import checked_entries
from flows.preflight.check import notices
from tasks.audio.decoding import decode
from tasks.errors import InvalidInput

SPLIT = {"model": "tiny", "language": "en", "channels": "split"}


@pytest.fixture(name="speech")
def _speech(tmp_path: Path) -> Path:
    """A call of two channels, and a recording of one."""
    speech = tmp_path / "speech"
    speech.mkdir()
    write_wav(speech / "call.wav", *[decode(str(QUICK_BROWN_FOX))] * 2)
    shutil.copy(SAMPLES / "en" / "hello_world.wav", speech / "hello.wav")
    return speech


def test_channels_are_diarized_on_request(speech: Path) -> None:
    """Each by itself, without another transcription; for a recording of one channel the request changes nothing."""
    for mode in ("split", "auto"):
        asked = SPLIT | {"channels": mode}
        do(batch_of(speech, transcribe=asked, diarize={}), "transcribe", "align", "diarize", "write")
        found = missing(batch_of(speech, transcribe=asked, diarize={"diarize_channels": True}))
        assert found == {"call.wav": {*ALL, "diarize"} - {"transcribe", "align"}}
    said = "--diarize_channels has no effect without --channels split or auto"
    assert said in notices(batch_of(speech, diarize={"diarize_channels": True}))
    assert said not in notices(batch_of(speech, transcribe=SPLIT, diarize={"diarize_channels": True}))


def test_a_manifest_may_ask_it_of_a_recording_of_one_channel(speech: Path) -> None:
    """Whose speakers are found as with diarize, though the batch diarizes nothing else."""
    for option in ("diarize", "diarize_channels"):
        rows = [{"path": str(speech / name), option: True} for name in ("call.wav", "hello.wav")]
        batch = with_manifest(speech, rows, transcribe=SPLIT, diarize={"by_default": False})
        assert [file.error for file in planned(batch).values()] == [None, None]
        assert "diarize" in planned(batch)["hello.wav"].missing
    done = with_manifest(speech, rows[1:], transcribe=SPLIT, diarize={"by_default": False})
    do(done, "transcribe", "align", "diarize", "write")
    assert missing(batch_of(speech, transcribe=SPLIT, diarize={"diarize_channels": True})).keys() == {"call.wav"}


def test_speaker_turns_of_split_channels_need_no_diarization(speech: Path) -> None:
    """A recording of one channel has none then, and fails before it is transcribed."""
    write = {"output_dir": str(speech.parent / "out"), "output_format": "rttm"}
    files = planned(batch_of(speech, transcribe=SPLIT, write=write))
    assert files["call.wav"].missing == ALL
    assert files["hello.wav"].error == (
        "output_format rttm holds speaker turns, and it has one channel: set --diarize, or leave rttm out"
    )
    rows = [{"path": str(speech / "call.wav"), "channels": "split"}, {"path": str(speech / "hello.wav")}]
    batch = with_manifest(speech, rows, write=write, diarize={"by_default": False})
    with pytest.raises(InvalidInput, match="line 2: output_format rttm holds speaker turns") as error:
        checked_entries(batch)
    assert "line 1" not in str(error.value)
