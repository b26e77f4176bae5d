"""Groups of a manifest: a track for each speaker, one transcript for all."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from batches import ALL, batch_of, do, missing, planned, with_manifest
from conftest import QUICK_BROWN_FOX, SAMPLES

from flows.canary import _rows
from flows.cli.remaining import show
from flows.config.inputs import Inputs
from flows.config.parameters import Batch
from flows.planning.discovery import check_any_there, check_below
from flows.planning.manifest import read_manifest
from flows.planning.selection import checked_entries, find_entries
from flows.state.cleanup import unneeded_rows
from flows.state.folder import OutputFolder
from tasks.audio.types import BYTES_PER_SECOND
from tasks.diarize import DiarizeOptions
from tasks.errors import InvalidInput
from tasks.transcribe import TranscribeOptions

HELLO = SAMPLES / "en" / "hello_world.wav"


@pytest.fixture(name="speech")
def _speech(tmp_path: Path) -> Path:
    """The tracks of a talk, and a recording of its own."""
    speech = tmp_path / "speech"
    speech.mkdir()
    shutil.copy(QUICK_BROWN_FOX, speech / "ada.wav")
    shutil.copy(HELLO, speech / "grace.wav")
    shutil.copy(SAMPLES / "en" / "counting.wav", speech / "alone.wav")
    return speech


def rows_of(speech: Path, **grace: Any) -> list[dict[str, Any]]:
    """Return the rows of a manifest."""
    return [
        {"path": str(speech / "ada.wav"), "group": "talk 1.2", "speaker": "Ada"},
        {"path": str(speech / "alone.wav")},
        {"path": str(speech / "grace.wav"), "group": "talk 1.2", "offset": 4.5, **grace},
    ]


def talk(speech: Path, *, options: dict[str, Any] | None = None, **grace: Any) -> Batch:
    """Return a batch of the talk, and of the recording."""
    return with_manifest(
        speech, rows_of(speech, **grace), transcribe={"model": "tiny", "language": "en", **(options or {})}
    )


def test_a_group_is_one_input_with_one_set_of_outputs(speech: Path) -> None:
    """Named after the group; who speaks in a track is told by the manifest, or by the name of its file."""
    files = planned(talk(speech))
    assert sorted(files) == ["alone.wav", "talk 1.2"]
    file = files["talk 1.2"]
    assert file.output.render("en", "json").endswith("/out/talk 1.2.json")
    assert file.source.title == "talk 1.2 · Ada, grace"
    assert file.source.duration_s == pytest.approx(4.5 + 1.143, abs=0.01)
    assert file.decoded_bytes == pytest.approx((2.889 + 1.143) * BYTES_PER_SECOND, rel=0.01)
    assert file.missing == ALL
    assert file.record()["tracks"] == [
        {"path": str(speech / "ada.wav"), "speaker": "Ada", "offset_s": 0.0},
        {"path": str(speech / "grace.wav"), "speaker": "grace", "offset_s": 4.5},
    ]


def test_the_plan_shows_groups(speech: Path, tiny_en: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With how many tracks they have."""
    batch = talk(speech, options={"model": tiny_en}).model_copy(update={"align": None})
    assert show(batch, find_entries(batch.inputs, OutputFolder.of(batch).ledger)) == 0
    shown = capsys.readouterr().out
    assert "do      talk 1.2 (0:00:06, 2 tracks): transcribe, check, write -> " in shown
    assert "2 files to do" in shown


def test_a_group_is_done_until_a_track_is_another(speech: Path) -> None:
    """Or begins at another time; another name is written without a model."""
    do(talk(speech), "transcribe", "align", "write")
    assert missing(talk(speech)) == {}
    assert missing(talk(speech, speaker="Grace")) == {"talk 1.2": {"write"}}
    assert missing(talk(speech, offset=5)) == {"talk 1.2": ALL}
    shutil.copy(SAMPLES / "en" / "counting.wav", speech / "grace.wav")
    assert missing(talk(speech)) == {"talk 1.2": ALL}


def test_tracks_are_diarized_on_request(speech: Path) -> None:
    """By the batch's option, or in the manifest where the batch diarizes nothing else; nothing is transcribed again."""
    do(talk(speech), "transcribe", "align", "write")
    diarized = {*ALL, "diarize"} - {"transcribe", "align"}
    rows = [row | ({"diarize_channels": True} if "group" in row else {}) for row in rows_of(speech)]
    batch = with_manifest(speech, rows, transcribe={"model": "tiny", "language": "en"}, diarize={"by_default": False})
    assert missing(batch) == {"talk 1.2": diarized}
    batch = talk(speech).model_copy(update={"diarize": DiarizeOptions(diarize_channels=True)})
    assert missing(batch) == {"talk 1.2": diarized, "alone.wav": diarized}
    batch = talk(speech).model_copy(update={"diarize": DiarizeOptions()})
    assert missing(batch) == {"alone.wav": diarized}


def test_diarize_for_a_track_of_one_speaker_is_refused(speech: Path) -> None:
    """Unless the batch, or another row of its group, says that several may speak in it."""
    rows = [row | ({"diarize": True} if "group" in row else {}) for row in rows_of(speech)]
    asked = {"diarize_channels": True}
    with pytest.raises(InvalidInput, match="line 1: a track of a group is one speaker: leave out diarize, or set"):
        checked_entries(with_manifest(speech, rows, diarize={"by_default": False}))
    checked_entries(with_manifest(speech, rows, diarize={"by_default": False, **asked}))
    checked_entries(with_manifest(speech, [rows[0] | asked, *rows[1:]], diarize={"by_default": False}))


def test_files_that_were_done_alone_are_not_done_again_as_tracks(speech: Path) -> None:
    """They have the keys that their results are stored under."""
    alone = planned(batch_of(speech))
    tracks = planned(talk(speech))["talk 1.2"].source.tracks
    assert alone["ada.wav"].source.keys
    assert [track.file.keys for track in tracks] == [alone[name].source.keys for name in ("ada.wav", "grace.wav")]


@pytest.mark.parametrize("content", [None, b"", b"no sound" * 100])
def test_a_bad_track_fails_its_group_by_name_or_is_left_out(speech: Path, content: bytes | None) -> None:
    """One that is not there, is empty, or holds no sound; the rest is done again once it is mended."""
    bad = speech / "grace.wav"
    bad.unlink()
    if content is not None:
        bad.write_bytes(content)
    file = planned(talk(speech))["talk 1.2"]
    assert file.status == "failed"
    assert str(file.error).startswith("grace.wav: ")
    skipping = talk(speech, options={"skip_bad_tracks": True})
    file = planned(skipping)["talk 1.2"]
    assert file.status == "waiting"
    assert file.source.names == {"TRACK_0": "Ada"}
    assert [reason.partition(":")[0] for reason in file.source.left_out] == ["grace.wav"]
    do(skipping, "transcribe", "align", "write")
    assert missing(skipping) == {}
    shutil.copy(HELLO, bad)
    assert missing(skipping) == {"talk 1.2": ALL}


def test_what_was_left_out_is_not_forgotten_without_the_option(speech: Path) -> None:
    """Which track is torn may show only when it is decoded: the group is decoded again, and then fails by its name.

    With the option, what was done without it holds: no track was left out.
    """
    skipping = talk(speech, options={"skip_bad_tracks": True})
    do(talk(speech), "transcribe", "align", "write")
    assert missing(skipping) == {}
    before = {path: path.stat().st_mtime_ns for path in (speech.parent / "out").glob("talk*")}
    shutil.copy(SAMPLES / "en" / "counting.wav", speech / "grace.wav")
    do(skipping, "transcribe", "align", "write")
    assert {path: path.stat().st_mtime_ns for path in before} != before
    assert missing(skipping) == {}
    assert missing(talk(speech)) == {"talk 1.2": ALL}


def test_a_track_that_was_there_before_is_not_left_out(speech: Path) -> None:
    """A share that is not mounted for a night must not take a speaker out of a transcript."""
    skipping = talk(speech, options={"skip_bad_tracks": True})
    do(skipping, "transcribe", "align", "write")
    (speech / "grace.wav").rename(speech / "elsewhere")
    file = planned(skipping)["talk 1.2"]
    assert (file.status, file.lasting) == ("failed", False)
    assert str(file.error).startswith("grace.wav: ")
    assert "an earlier run has read it" in str(file.error)
    (speech / "elsewhere").rename(speech / "grace.wav")
    assert missing(skipping) == {}


def test_a_group_without_any_good_track_fails(speech: Path) -> None:
    """Also where bad ones may be left out."""
    for name in ("ada.wav", "grace.wav"):
        (speech / name).write_bytes(b"")
    file = planned(talk(speech, options={"skip_bad_tracks": True}))["talk 1.2"]
    assert file.error == "no track can be read: ada.wav: the file is empty; grace.wav: the file is empty"


def test_what_failed_can_be_done_without_the_manifest(speech: Path) -> None:
    """The ledger knows the tracks; they are no inputs of their own."""
    planned(talk(speech, speaker="Grace"))
    ledger = OutputFolder.of(talk(speech)).ledger()
    failed = find_entries(Inputs(only="failed"), lambda: ledger)
    manifest = find_entries(talk(speech, speaker="Grace").inputs, lambda: ledger)
    assert {(entry.path, entry.options, entry.tracks) for entry in failed} == {
        (entry.path, entry.options, entry.tracks) for entry in manifest
    }
    assert unneeded_rows(ledger, str(speech.parent / "out")) == []


def test_the_sample_of_a_canary_has_whole_groups(speech: Path, tmp_path: Path) -> None:
    """Its manifest means the same."""
    entries = find_entries(talk(speech).inputs, lambda: OutputFolder.of(talk(speech)).ledger())
    copy = tmp_path / "copy.jsonl"
    copy.write_text("\n".join(row for entry in entries for row in _rows(entry)))
    assert [(each.path, each.options, each.tracks) for each in read_manifest(str(copy))] == [
        (each.path, each.options, each.tracks) for each in entries
    ]


def test_all_mistakes_of_groups_are_told_with_their_lines(tmp_path: Path) -> None:
    """None of them alone."""
    manifest = tmp_path / "m.csv"
    manifest.write_text(
        "path,group,speaker,offset,language,channels,diarize\n"
        "a.wav,one,Ada,0,en,,\n"
        "a.wav,one,Grace,,de,,\n"
        "b.wav,,Ada,,,,\n"
        "c.wav,two,Ada,-1,,,\n"
        "d.wav,../three,,,,,\n"
        "e.wav,four,,,,split,\n"
        "f.wav,five,,,,,yes\n"
        "left/rec.wav,six,,,,,\n"
        "right/rec.wav,six,,,,,\n"
        "left/rec.wav,seven,room,,,,\n"
        "room.wav,seven,,,,,\n"
        "left/rec.wav,eight,Ada,,,,\n"
        "right/rec.wav,eight,Ada,10,,,\n"
    )
    with pytest.raises(InvalidInput) as error:
        read_manifest(str(manifest))
    told = [line.partition("m.csv, ")[2] for line in str(error.value).splitlines()]
    assert sorted(sorted(told), key=lambda line: int(line.split()[1][:-1])) == [
        "line 3: language: 'de', and in line 2 of its group 'en'",
        "line 3: this track of its group is in line 2 already",
        "line 4: speaker and offset are those of a track: name its group",
        "line 5: offset: Input should be greater than or equal to 0",
        "line 6: group: '../three' leads out of the output folder",
        "line 7: the channels of a track are mixed: leave out channels",
        "line 10: its speaker is rec, as in line 9: name both in the column speaker",
        "line 12: its speaker is room, as in line 11: name both in the column speaker",
    ]


def test_the_name_of_a_speaker_is_one_line(tmp_path: Path) -> None:
    """A line break would end a cue of SubRip, and half a character of a file's name can be written nowhere."""
    manifest = tmp_path / "m.jsonl"
    tracks = [{"path": "a.wav", "group": "talk", "speaker": "Ada\n\nL"}, {"path": "caf\udce9.wav", "group": "talk"}]
    manifest.write_text("\n".join(map(json.dumps, tracks)))
    (entry,) = read_manifest(str(manifest))
    assert [track.speaker for track in entry.tracks] == [r"Ada\n\nL", r"caf\udce9"]
    assert TranscribeOptions(channel_names="Ada\n\nL,Grace").names_of_channels == (r"Ada\n\nL", "Grace")


def test_a_track_in_a_folder_is_no_input_of_its_own(speech: Path) -> None:
    """Unless the manifest has a row for it."""
    batch = talk(speech)
    inputs = batch.inputs.model_copy(update={"inputs": [str(speech)]})
    entries = find_entries(inputs, OutputFolder.of(batch).ledger)
    assert sorted(Path(entry.path).name for entry in entries) == ["alone.wav", "talk 1.2"]


@pytest.mark.parametrize(
    ("name", "row"),
    [("alone.wav", None), ("alone.wav", {"output": "alone.wav"}), ("ada.wav", None)],
)
def test_a_group_cannot_have_the_name_of_an_input(speech: Path, name: str, row: dict[str, Any] | None) -> None:
    """Or of a track: one would take the place of the other, also in the ledger."""
    rows = [{"path": str(speech / "ada.wav"), "group": name}]
    batch = with_manifest(speech, rows + ([{"path": str(speech / name), **row}] if row else []))
    inputs = batch.inputs.model_copy(update={"inputs": [] if row else [str(speech)]})
    with pytest.raises(InvalidInput, match=r"line 1: an input beside its tracks, or a track, has the name of this"):
        find_entries(inputs, OutputFolder.of(batch).ledger)


def test_tracks_are_looked_for_where_inputs_may_be(tmp_path: Path) -> None:
    """By their own paths."""
    manifest = tmp_path / "m.csv"
    manifest.write_text("path,group\n/in/a.wav,one\n/out/b.wav,one\n")
    entries = read_manifest(str(manifest))
    with pytest.raises(InvalidInput, match=r"line 2: /out/b.wav lies below none"):
        check_below(entries, ["/in"])
    with pytest.raises(InvalidInput, match=r"no such file: /in/a.wav, /out/b.wav"):
        check_any_there(entries)
