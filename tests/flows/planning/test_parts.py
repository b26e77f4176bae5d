"""Recordings whose channels are speakers: what is planned for them, and what is found again."""

import shutil
import wave
from pathlib import Path

import pytest
from batches import ALL, batch_of, do, missing, planned, with_manifest
from conftest import QUICK_BROWN_FOX, SAMPLES
from pydantic import ValidationError
from sound_files import ffmpeg

from flows.preflight.check import notices
from flows.state.folder import OutputFolder
from tasks.audio.decoding import decode
from tasks.stage_table import SECOND_PASS

HELLO = SAMPLES / "en" / "hello_world.wav"
SPLIT = {"model": "tiny", "language": "en", "channels": "split"}


@pytest.fixture(name="speech")
def _speech(tmp_path: Path) -> Path:
    """A call of two channels, and a recording of one."""
    speech = tmp_path / "speech"
    speech.mkdir()
    of_channels(speech / "call.wav", 2)
    shutil.copy(HELLO, speech / "hello.wav")
    return speech


def of_channels(path: Path, number: int) -> Path:
    """Write a recording with so many channels, all the same."""
    with wave.open(str(path), "wb") as file:
        file.setparams((number, 2, 16_000, 0, "NONE", ""))
        file.writeframes(decode(str(QUICK_BROWN_FOX)).repeat(number).tobytes())
    return path


def test_only_what_has_channels_to_split_is_done_again(speech: Path) -> None:
    """The results of a recording of one channel hold; `split` and `auto` are not taken for each other."""
    mixed = batch_of(speech)
    do(mixed, "transcribe", "align", "write")
    split = batch_of(speech, transcribe=SPLIT)
    assert missing(split) == {"call.wav": ALL}
    do(split, "transcribe", "align", "write")
    assert missing(split) == {}
    assert missing(batch_of(speech, transcribe=SPLIT | {"channels": "auto"})) == {"call.wav": ALL}


def test_other_rules_of_auto_decide_again(speech: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For what they decide on; the keys of the first rules are those of before they had a number."""
    auto, split = (batch_of(speech, transcribe=SPLIT | {"channels": mode}) for mode in ("auto", "split"))
    do(split, "transcribe", "align")
    do(auto, "transcribe", "align", "write")
    assert planned(auto)["call.wav"].source.key_mark == "-auto"
    monkeypatch.setattr("tasks.audio.types.AUTO_RULES", 2)
    assert missing(auto) == {"call.wav": ALL}
    assert missing(split) == {"call.wav": {"write"}}


def test_a_channel_is_a_speaker_and_needs_no_diarization(speech: Path) -> None:
    """With `split`; a recording of one channel is diarized as ever, and so may be one of which `auto` decides."""
    files = planned(batch_of(speech, transcribe=SPLIT, diarize={}))
    assert {name: "diarize" in file.missing for name, file in files.items()} == {"call.wav": False, "hello.wav": True}
    files = planned(batch_of(speech, transcribe=SPLIT | {"channels": "auto"}, diarize={}))
    assert {name: "diarize" in file.missing for name, file in files.items()} == {"call.wav": True, "hello.wav": True}
    do(batch_of(speech, transcribe=SPLIT), "transcribe", "align", "write")
    assert missing(batch_of(speech, transcribe=SPLIT, diarize={})) == {
        "hello.wav": {*ALL, "diarize"} - {"transcribe", "align"}
    }


def test_other_names_are_written_without_a_model(speech: Path) -> None:
    """They are no part of what is stored; a recording of one channel has none."""
    do(batch_of(speech, transcribe=SPLIT), "transcribe", "align", "write")
    assert missing(batch_of(speech, transcribe=SPLIT | {"channel_names": "Agent, Customer"})) == {"call.wav": {"write"}}


def test_a_file_of_an_earlier_version_is_opened_for_its_channels(speech: Path) -> None:
    """That version did not count them."""
    do(batch_of(speech), "transcribe", "align", "write")
    ledger = OutputFolder.of(batch_of(speech)).ledger()
    for row in ledger.rows.values():
        row.pop("channels")
    ledger.begin({})
    assert missing(batch_of(speech)) == {}
    assert planned(batch_of(speech, transcribe=SPLIT))["call.wav"].source.parts == 2


def test_a_track_of_one_channel_is_diarized_after_another_was_split(speech: Path) -> None:
    """What is known of the track that an earlier run took says nothing of this one."""
    film = ffmpeg(
        speech / "film.mkv", "-i", speech / "call.wav", "-i", HELLO, *"-map 0:a -map 1:a -c:a pcm_s16le".split()
    )
    tracks = [batch_of(speech, transcribe=SPLIT | {"audio_track": track}, diarize={}) for track in ("1", "2")]
    assert "diarize" not in planned(tracks[0])[film.name].stages
    file = planned(tracks[1])[film.name]
    assert (file.source.parts, "diarize" in file.stages) == (0, True)


def test_parts_count_as_so_much_audio(speech: Path) -> None:
    """Each takes as much memory as a mixed file."""
    one, two = (planned(batch_of(speech, transcribe=each))["call.wav"] for each in (SPLIT | {"channels": "mix"}, SPLIT))
    assert two.decoded_bytes == pytest.approx(2 * one.decoded_bytes, abs=2)


def test_more_than_eight_channels_are_refused_by_name(speech: Path) -> None:
    """Until they are mixed, as `auto` does."""
    of_channels(speech / "concert.wav", 9)
    of_channels(speech / "studio.wav", 8)
    do(batch_of(speech, write={"output_dir": str(speech.parent / "known")}), "transcribe")
    for out in ("new", "known"):
        files = planned(batch_of(speech, transcribe=SPLIT, write={"output_dir": str(speech.parent / out)}))
        assert {name: file.error for name, file in files.items() if file.error} == {
            "concert.wav": "it has 9 channels, more than the 8 that can be split: set --channels mix"
        }
    files = planned(batch_of(speech, transcribe=SPLIT | {"channels": "auto"}))
    assert {name: (file.error, file.source.parts) for name, file in files.items() if name != "call.wav"} == {
        "concert.wav": (None, 0),
        "hello.wav": (None, 0),
        "studio.wav": (None, 8),
    }


def test_a_manifest_says_it_for_each_file(speech: Path) -> None:
    """What it does not say is as the batch has it."""
    rows = [
        {"path": str(speech / "call.wav"), "channel_names": "Ada,Grace"},
        {"path": str(of_channels(speech / "mono.wav", 2)), "channels": "mix"},
    ]
    files = planned(with_manifest(speech, rows, transcribe=SPLIT))
    assert [file.source.names for file in files.values()] == [{"CHANNEL_0": "Ada", "CHANNEL_1": "Grace"}, {}]
    assert files["call.wav"].source.title == "call.wav · Ada, Grace"


def test_names_without_channels_say_so(speech: Path) -> None:
    """Unless a manifest may split some."""
    named = {"model": "tiny", "channel_names": "Ada,Grace"}
    said = "--channel_names has no effect without --channels split or auto"
    assert said in notices(batch_of(speech, transcribe=named))
    assert said not in notices(batch_of(speech, transcribe=named | {"channels": "auto"}))
    assert said not in notices(with_manifest(speech, [{"path": "a.wav"}], transcribe=named))


@pytest.mark.parametrize("names", ["Agent,", "Agent,Agent", ",", "CHANNEL_1", "Ada,CHANNEL_0"])
def test_names_must_tell_speakers_apart(speech: Path, names: str) -> None:
    """Also from the default name of another channel, and before anything starts."""
    with pytest.raises(ValidationError, match="give each channel a name of its own"):
        batch_of(speech, transcribe=SPLIT | {"channel_names": names})


def test_channels_and_tracks_have_a_second_pass_as_other_files_have(speech: Path) -> None:
    """Until their check, which is stored, doubts nothing."""
    rows: list[dict[str, str]] = [
        {"path": str(speech / "call.wav"), "channels": "split"},
        {"path": str(speech / "hello.wav"), "group": "talk"},
    ]
    batch = with_manifest(speech, rows, second_pass={})
    assert {name: stages >= SECOND_PASS for name, stages in missing(batch).items()} == {"call.wav": True, "talk": True}
    do(batch, "transcribe", "align", "check")
    assert missing(batch) == {"call.wav": {"write"}, "talk": {"write"}}
