"""flows/evaluation/transcripts/reading.py: references as others write them."""

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import TWO_SPEAKERS

from flows.evaluation.transcripts.reading import read
from flows.evaluation.transcripts.recording import Recording, Segment, Turn
from tasks.errors import InvalidInput


def reading(folder: Path, name: str, content: str | bytes) -> dict[str | None, Recording]:
    """Return what a file of this name and content says."""
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return read(str(folder / name))


def test_the_references_that_pyannote_ships_are_read() -> None:
    """The telephone call, as STM and as RTTM."""
    (said,) = read(str(TWO_SPEAKERS.with_suffix(".stm"))).values()
    assert said.segments
    assert said.segments[0] == Segment("Hello?", 6.68, 7.16, "Diane")
    assert {segment.speaker for segment in said.segments} == {"Diane", "Sheila"}
    turns = read(str(TWO_SPEAKERS.with_suffix(".rttm")))["sample"].turns
    assert turns
    assert (turns[0].start, round(turns[0].end, 2), turns[0].speaker) == (6.69, 7.12, "speaker90")
    assert len(turns) == 10


NIST_STM = """;; LABEL "O" "Overall" "Overall Scores"
2347 a 2347-a 1.06 3.47 <O,WA> i've { um / uh } as far as i'm concerned
2347 a 2347-a 8.47 11.04 <O,WA> they have become more aggressive { -a / @ } { @ / so }
2347 a 2347-a 115.43 121.12
3129 b 3129-b 205.66 217.79 <O,WA> IGNORE_TIME_SEGMENT_IN_SCORING
3129 b inter_segment_gap 217.80 220.0 <O>
3129 b 3129-b 270.00 281.24 that is it
"""
"""In the manner of NIST's own: github.com/usnistgov/SCTK, src/sclite/testdata."""
NIST_CTM = """;; a comment
2347 A 75.78 0.14 TO
2347 B 75.92 0.32 DO 0.9
2347 B *     *    <ALT_BEGIN>
2347 B 76.24 0.14 IT
2347 B *     *    <ALT>
2347 B 76.38 0.20 AT
2347 B *     *    <ALT_END>
2347 B 78.58 0.42 HOME
"""


def test_stm_as_nist_writes_it(tmp_path: Path) -> None:
    """With comments, labels, alternatives, lines without text, and times that are not scored."""
    found = reading(tmp_path, "a.stm", NIST_STM)
    assert found == {
        "2347": Recording(
            (
                Segment("i've um as far as i'm concerned", 1.06, 3.47, "2347-a"),
                Segment("they have become more aggressive -a", 8.47, 11.04, "2347-a"),
                Segment("", 115.43, 121.12, "2347-a"),
            )
        ),
        "3129": Recording((Segment("that is it", 270.0, 281.24, "3129-b"),)),
    }


def test_ctm_as_nist_writes_it(tmp_path: Path) -> None:
    """Words without a pause between them are a segment; confidence, alternatives, and the speakers of longer lines."""
    (found,) = reading(tmp_path, "a.ctm", NIST_CTM).values()
    assert found.segments
    assert [segment.text for segment in found.segments] == ["TO DO IT", "HOME"]
    assert found.segments[0][1:] == (75.78, pytest.approx(76.38), None)
    longer = "a 1 0.0 0.5 well NA lex anna\na 1 0.4 0.5 yes NA lex bert\na 1 0.6 0.5 [laugh] NA non-lex anna\n"
    (found,) = reading(tmp_path, "b.ctm", longer).values()
    assert found.segments == (Segment("well", 0.0, 0.5, "anna"), Segment("yes", 0.4, 0.9, "bert"))


def test_seglst_is_read_by_its_sessions(tmp_path: Path) -> None:
    """Also with times that are texts, as in CHiME's and MeetEval's files; keys that nobody knows change nothing."""
    first: dict[str, Any] = {"session_id": "x", "start_time": "2.5", "end_time": "3", "words": "yes", "speaker": "Bo"}
    second = {"session_id": "x", "start_time": 1, "end_time": 2, "words": "no", "speaker": "Al", "ref": "U02"}
    found = reading(tmp_path, "a.seglst.json", json.dumps([first, second, {"session_id": "y", "words": "hm"}]))
    assert found == {
        "x": Recording((Segment("no", 1.0, 2.0, "Al"), Segment("yes", 2.5, 3.0, "Bo"))),
        "y": Recording((Segment("hm"),)),
    }


VTT = """WEBVTT - a talk

STYLE
::cue { color: red }

NOTE not a cue

intro
00:00.500 --> 00:01.400 align:start
<v.loud Ann Lee>Good <c.red>day</c> &amp;
welcome.</v>

1:00:02.000 --> 1:00:03.000
- Hi
"""
SRT = """\ufeff1
00:00:00,500 --> 00:00:01,400
[Doe, Jane]: <i>Good</i> day,
1 < 2.

2
00:00:02,000 --> 00:00:03,000
"""


def test_subtitles_are_read_with_their_speakers(tmp_path: Path) -> None:
    """WebVTT's voices, and the names that WhisperX puts in front; without markup, notes and numbers."""
    (vtt,) = reading(tmp_path, "a.vtt", VTT).values()
    assert vtt.segments == (Segment("Good day & welcome.", 0.5, 1.4, "Ann Lee"), Segment("- Hi", 3602.0, 3603.0))
    (srt,) = reading(tmp_path, "a.srt", SRT.replace("\n", "\r\n")).values()
    assert srt.segments == (Segment("Good day, 1 < 2.", 0.5, 1.4, "Doe, Jane"), Segment("", 2.0, 3.0))
    (txt,) = reading(tmp_path, "a.txt", "[A]: Good day.\n\nAnd you?\n").values()
    assert txt.segments == (Segment("Good day.", speaker="A"), Segment("And you?"))


def test_a_transcript_of_ours_is_read(tmp_path: Path) -> None:
    """WhisperX's result: segments, speakers, language."""
    result = {"segments": [{"start": 0.5, "end": 1.0, "text": " Hi.", "speaker": "A", "words": []}], "language": "de"}
    found = reading(tmp_path, "a.json", json.dumps(result))
    assert found == {None: Recording((Segment("Hi.", 0.5, 1.0, "A"),), language="de")}
    assert found[None].speaker_turns() == (Turn(0.5, 1.0, "A"),)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.stm", "a 1 anna 0.0 soon hello", "line 1: 'a 1 anna 0.0 soon hello' is not 'recording channel speaker"),
        ("a.stm", ";;\na 1 anna", "line 2: 'a 1 anna' is not"),
        ("a.ctm", "a 1 0.0 0.5", "line 1: there is no word after the times"),
        ("a.rttm", "SPEAKER a 1 0.0 1.0 <NA> <NA>", "line 1: there is no speaker in the eighth field"),
        ("a.rttm", "a 1 anna 0.0 1.0 hello", "there is no line in it that begins with SPEAKER"),
        ("a.srt", "Good day.", "there is no subtitle in it"),
        ("a.json", "{", "it is not JSON"),
        ("a.json", '{"files": []}', "it is neither a transcript of WhisperX nor SegLST: KeyError('segments')"),
        ("a.json", '[{"words": "hi", "start_time": "soon"}]', "nor SegLST: ValueError"),
        ("a.txt", b"Stra\xdfe", "it is not text in UTF-8"),
        ("a.docx", "", "its format is not known; there are .seglst.json, .json, .stm"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(tmp_path: Path, name: str, content: str | bytes, reason: str) -> None:
    """By its path, and the line where there are lines."""
    with pytest.raises(InvalidInput) as error:
        reading(tmp_path, name, content)
    assert str(error.value).startswith(f"{tmp_path / name}: ")
    assert reason in str(error.value)
