"""Recordings in parts: what is decoded."""

from pathlib import Path

import numpy as np
import pytest
from conftest import QUICK_BROWN_FOX, SAMPLES

from tasks.audio.container import CannotBeOpened, UnreadableAudio
from tasks.audio.decoding import decode, decode_audio
from tasks.audio.types import Audio, AudioFile, Samples, Track
from tasks.errors import will_last
from tasks.load_audio import load_audio

HELLO = SAMPLES / "en" / "hello_world.wav"
NONE = np.empty(0, np.int16)


def samples(*values: int) -> Samples:
    """Return these samples."""
    return np.array(values, np.int16)


def test_parts_are_released_with_their_place_in_the_object_store() -> None:
    """As the samples of a file in one piece are."""
    audio = Audio(NONE, None, (samples(1), samples(2)), (0.0, 0.0))
    audio.release()
    assert audio == Audio(audio.samples)


@pytest.mark.parametrize("skip", [False, True])
def test_the_tracks_of_a_group_are_decoded_as_files_of_their_own(tmp_path: Path, skip: bool) -> None:  # noqa: FBT001
    """One that is torn fails them all, or has no samples; what was left out before is told, too."""
    torn = tmp_path / "torn.wav"
    torn.write_bytes(b"no sound" * 100)
    tracks = [
        Track(AudioFile(str(path), path.name), "A", start) for path, start in ((QUICK_BROWN_FOX, 0.0), (HELLO, 1.5))
    ]
    whole = load_audio.fn(AudioFile("/talk", "talk", tracks=tuple(tracks)))
    assert whole.offsets_s == (0.0, 1.5)
    for part, path in zip(whole.parts, (QUICK_BROWN_FOX, HELLO), strict=True):
        np.testing.assert_array_equal(part, decode(str(path)))
    bad = (*tracks[:1], Track(AudioFile(str(torn), torn.name), "B"))
    group = AudioFile("/talk", "talk", tracks=bad, skip_bad_tracks=skip, left_out=("c.wav: the file is empty",))
    if not skip:
        with pytest.raises(UnreadableAudio, match=r"^torn\.wav: not audio"):
            load_audio.fn(group)
        return
    left = load_audio.fn(group)
    assert [len(part) > 0 for part in left.parts] == [True, False]
    assert str(left.fault).startswith("left out: c.wav: the file is empty; left out: torn.wav: not audio")


def test_a_group_of_which_no_track_can_be_decoded_fails(tmp_path: Path) -> None:
    """Also where bad ones are left out: there would be an empty transcript."""
    (tmp_path / "torn.wav").write_bytes(b"no sound" * 100)
    torn = Track(AudioFile(str(tmp_path / "torn.wav"), "torn.wav"), "A")
    with pytest.raises(UnreadableAudio, match=r"^no track can be read: c\.wav: empty; torn\.wav: not audio"):
        load_audio.fn(AudioFile("/talk", "talk", tracks=(torn,), skip_bad_tracks=True, left_out=("c.wav: empty",)))


@pytest.mark.parametrize("skip", [False, True])
def test_a_group_whose_track_is_gone_is_tried_again_by_a_later_run(tmp_path: Path, skip: bool) -> None:  # noqa: FBT001
    """A share that is not mounted says nothing of what the track holds, so that nothing is kept for it."""
    tracks = [Track(AudioFile(str(path), path.name), "A") for path in (HELLO, tmp_path / "gone.wav")]
    with pytest.raises(CannotBeOpened, match=r"^gone\.wav: no such file") as raised:
        load_audio.fn(AudioFile("/talk", "talk", tracks=tuple(tracks), skip_bad_tracks=skip))
    assert not will_last(raised.value)


def test_a_file_that_auto_mixes_is_as_if_it_were_not_asked(recordings: dict[str, Path]) -> None:
    """Sample for sample, with what is wrong with its channels."""
    stereo = str(recordings["stereo.wav"])
    audio = load_audio.fn(AudioFile(stereo, "stereo.wav", channels=2, channel_mode="auto"))
    expected = decode_audio(stereo)
    np.testing.assert_array_equal(audio.samples, expected.samples)
    assert (audio.parts, audio.fault) == ((), expected.fault)
