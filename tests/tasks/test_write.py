"""tasks/write.py: the outputs of a file, whole or not there at all."""

import json
import os
from pathlib import Path

import pytest

from tasks.audio.types import AudioFile, ChannelMode
from tasks.diarize import Diarization
from tasks.storage.outputs import OutputNotOurs, OutputPath, PreviousOutputs
from tasks.transcribe import Transcript
from tasks.write import WriteOptions, write
from tasks.written import WriteResult

WORDS = [{"word": "Good", "start": 0.5, "end": 0.8}, {"word": "day.", "start": 0.9, "end": 1.4}]
GREETING = Transcript(
    "en",
    {
        "segments": [{"start": 0.5, "end": 1.4, "text": " Good day.", "speaker": "SPEAKER_00", "words": WORDS}],
        "language": "en",
    },
)


def render(
    transcript: Transcript, pattern: str, options: WriteOptions, earlier: PreviousOutputs | None = None
) -> WriteResult:
    """Write the outputs of a file of 2 s that was not diarized in this run."""
    folder, _, name = pattern.rpartition("/")
    output = OutputPath(folder, "", name)
    return write.fn(AudioFile("/in/a.wav", "a.wav", 2.0), output, transcript, None, options, earlier)


def test_writes_what_whisperx_writes(tmp_path: Path) -> None:
    """`all` leaves out aud, as there."""
    written = render(GREETING, f"{tmp_path}/a.b.{{format}}", WriteOptions())
    assert sorted(written.outputs) == ["json", "srt", "tsv", "txt", "vtt"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"a.b.{name}" for name in sorted(written.outputs)]
    assert (tmp_path / "a.b.srt").read_text() == "1\n00:00:00,500 --> 00:00:01,400\n[SPEAKER_00]: Good day.\n\n"
    render(GREETING, f"{tmp_path}/a.{{format}}", WriteOptions(output_format="aud"))
    assert (tmp_path / "a.aud").read_text() == "0.5\t1.4\t[[SPEAKER_00]]Good day.\n"


def test_the_language_written_is_the_true_one(tmp_path: Path) -> None:
    """Where our outputs differ on purpose: WhisperX writes `en` for every file whose language it has detected."""
    german = Transcript("de", {"segments": [{"start": 0.0, "end": 1.0, "text": " Guten Tag."}]})
    written = render(german, f"{tmp_path}/a.{{format}}", WriteOptions(output_format="json"))
    assert written.language == "de"
    assert json.loads((tmp_path / "a.json").read_text())["language"] == "de"


def test_the_layout_of_subtitles_is_chosen(tmp_path: Path) -> None:
    """Words underlined as they are spoken."""
    render(GREETING, f"{tmp_path}/a.{{format}}", WriteOptions(output_format="srt", highlight_words=True))
    assert "<u>Good</u> day." in (tmp_path / "a.srt").read_text()


@pytest.mark.parametrize(
    ("mode", "channels", "note"),
    [
        ("split", 2, "channel_names has 3 names for 2 channels: Guest not used"),
        ("auto", 2, "channel_names has 3 names for 2 channels: Guest not used"),
        ("split", 1, "channel_names has 3 names for 1 channel: Customer, Guest not used"),
        ("auto", 1, None),
        ("split", 3, None),
        ("mix", 2, None),
    ],
)
def test_names_of_channels_that_are_not_there_are_noted(
    tmp_path: Path, mode: ChannelMode, channels: int, note: str | None
) -> None:
    """In the report: of a recording with fewer channels than expected, the names may be those of others."""
    names = ("Agent", "Customer", "Guest")
    file = AudioFile("/in/a.wav", "a.wav", 2.0, channels=channels, channel_mode=mode, speakers=names)
    silence = Transcript("en", {"segments": []}, parts=[GREETING] * file.parts or None)
    written = write.fn(file, OutputPath(str(tmp_path), "", "a.{format}"), silence, None, WriteOptions(), None)
    assert written.note == note


def test_a_second_try_writes_the_same_speakers(tmp_path: Path) -> None:
    """Of channels, some of them diarized; the task has the transcript that the first try has labelled."""
    labels = ("CHANNEL_0", "CHANNEL_1", "CHANNEL_1", "CHANNEL_1")
    segments = [{"start": i, "end": i + 1, "text": " Yes.", "speaker": label} for i, label in enumerate(labels)]
    call = Transcript("en", {"segments": segments}, parts=[GREETING] * 2)
    turns = [(float(i), i + 1.0, f"CHANNEL_1 SPEAKER_0{i}") for i in (1, 2)]
    names = ("Ada Lovelace", "Board Room")
    file = AudioFile("/in/a.wav", "a.wav", 4.0, channels=2, channel_mode="split", speakers=names)
    (tmp_path / "out").touch()
    output = OutputPath(str(tmp_path / "out"), "", "a.{format}")
    asked = (file, output, call, Diarization(turns), WriteOptions(output_format="txt,rttm"), None)
    with pytest.raises(OSError, match="out"):
        write.fn(*asked)
    (tmp_path / "out").unlink()
    write.fn(*asked)
    said = ["Ada Lovelace", "Board Room SPEAKER_00", "Board Room SPEAKER_01", "Board Room"]
    assert (tmp_path / "out" / "a.txt").read_text().splitlines() == [f"[{name}]: Yes." for name in said]
    heard = [line.split()[7] for line in (tmp_path / "out" / "a.rttm").read_text().splitlines()]
    assert heard == [name.replace(" ", "_") for name in said[:3]]


def test_any_formats_can_be_written_together(tmp_path: Path) -> None:
    """Each once, and under the extension that its programs look for."""
    file = AudioFile("/in/a.wav", "a.wav", 2.0)
    options = WriteOptions(output_format="all,srt,textgrid,rttm,ass,docx,md,aud")
    transcript = Transcript("en", {"segments": [{"start": 0.5, "end": 1.4, "text": " Good day."}]})
    turns = Diarization([(0.4, 1.5, "SPEAKER_00"), (1.6, 1.8, "SPEAKER_01")])
    written = write.fn(file, OutputPath(str(tmp_path), "", "a\nb c.{format}"), transcript, turns, options, None)
    extensions = "srt vtt txt tsv json TextGrid rttm ass docx md aud".split()
    assert list(written.outputs) == extensions
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"a\nb c.{each}" for each in extensions)
    assert written.speakers == 1
    lines = (tmp_path / "a\nb c.rttm").read_text().splitlines()
    assert [line.split()[1:5] for line in lines] == [["a_b_c", "1", "0.400", "1.100"], ["a_b_c", "1", "1.600", "0.200"]]
    assert "\nxmax = 2 \n" in (tmp_path / "a\nb c.TextGrid").read_text()
    again = render(transcript, f"{tmp_path}/a\nb c.{{format}}", WriteOptions(output_format="docx"), PreviousOutputs())
    assert again.changed == {}


def test_a_failure_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    """The last format of five cannot be written: none is, and older outputs stay."""
    render(GREETING, f"{tmp_path}/a.{{format}}", WriteOptions())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    broken = Transcript("en", {**GREETING.result, "not for json": object()})
    with pytest.raises(TypeError):
        render(broken, f"{tmp_path}/a.{{format}}", WriteOptions())
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path: Path) -> None:
    """255 bytes with the extension; spaces, quotes, braces, a newline and bytes that are not UTF-8 are no matter."""
    for stem in ("n" * 251, 'a "b" {c} \n -', os.fsdecode(b"\xff\xfe")):
        escaped = stem.replace("{", "{{").replace("}", "}}")
        render(GREETING, f"{tmp_path}/{escaped}.{{format}}", WriteOptions(output_format="srt"))
        assert (tmp_path / f"{stem}.srt").is_file()


def test_outputs_have_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    """The umask decides, as for files that a program makes in place."""
    (tmp_path / "other").touch()
    render(GREETING, f"{tmp_path}/a.{{format}}", WriteOptions(output_format="txt"))
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "other").stat().st_mode


TXT = WriteOptions(output_format="txt")


def test_an_output_that_was_cut_short_is_written_again(tmp_path: Path) -> None:
    """What is there is the beginning of what belongs there."""
    whole = render(GREETING, f"{tmp_path}/a.{{format}}", TXT)
    text = (tmp_path / "a.txt").read_text()
    (tmp_path / "a.txt").write_text(text[:5])
    render(GREETING, f"{tmp_path}/a.{{format}}", TXT, PreviousOutputs(whole.outputs, same=frozenset({"txt"})))
    assert (tmp_path / "a.txt").read_text() == text


def test_an_output_that_is_there_already_is_not_touched(tmp_path: Path) -> None:
    """As after a crash between the writing and the note of it."""
    first = render(GREETING, f"{tmp_path}/a.{{format}}", TXT)
    assert render(GREETING, f"{tmp_path}/a.{{format}}", TXT, PreviousOutputs()) == first


def test_a_corrected_output_stays_and_is_not_taken_for_ours(tmp_path: Path) -> None:
    """Or another run, with other options, would write over it."""
    first = render(GREETING, f"{tmp_path}/a.{{format}}", TXT)
    (tmp_path / "a.txt").write_text("corrected")
    again = render(GREETING, f"{tmp_path}/a.{{format}}", TXT, PreviousOutputs(first.outputs, same=frozenset({"txt"})))
    assert (list(again.outputs), list(again.changed)) == ([], ["txt"])
    with pytest.raises(OutputNotOurs, match="txt is there and was not written by whisperx-batch"):
        render(GREETING, f"{tmp_path}/a.{{format}}", TXT, PreviousOutputs(again.outputs))
    assert (tmp_path / "a.txt").read_text() == "corrected"
    render(GREETING, f"{tmp_path}/a.{{format}}", TXT)
    assert (tmp_path / "a.txt").read_text() != "corrected"
