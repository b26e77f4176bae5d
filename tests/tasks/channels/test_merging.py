"""tasks/channels/merging.py: one transcript of all parts, in order of time, which every format can hold."""

import re
from typing import Any

import pytest
from transcripts import PLAIN, ours, segment, word

from tasks.channels.merging import merged, most_words
from tasks.formats import ENCODERS
from tasks.formats.writers import Layout

AGENT = {
    "segments": [
        segment(
            0.5,
            4.0,
            "Good day to you.",
            words=[word(w, s, s + 0.4) for w, s in zip("Good day to you.".split(), (0.5, 1.0, 3.0, 3.6), strict=True)],
        ),
        segment(6.0, 7.0, "Bye 2 you", words=[word("Bye", 6.0, 6.2), {"word": "2"}, word("you", 6.5, 7.0)]),
    ],
}
CUSTOMER = {
    "segments": [
        segment(
            1.5,
            2.5,
            "Yes, hello.",
            words=[word("Yes,", 1.5, 1.8), word("hello.", 2.0, 2.5)],
            chars=[{"char": "Y", "start": 1.5, "end": 1.6}],
        ),
        segment(6.3, 6.6, "Bye.", words=[word("Bye.", 6.3, 6.6)]),
    ],
}
for _part in (AGENT, CUSTOMER):
    _part["word_segments"] = [each for one in _part["segments"] for each in one["words"]]
ENGLISH, GERMAN = {**AGENT, "language": "en"}, {**CUSTOMER, "language": "de"}


def spoken(result: dict[str, Any]) -> list[tuple[float, str, str]]:
    """Return the segments, with the speaker of each."""
    return [(each["start"], each["speaker"], each["text"].strip()) for each in result["segments"]]


def test_segments_are_in_order_of_time_with_their_speakers() -> None:
    """What ends soon after another speaker has begun stays whole, and nothing else of it changes."""
    result = merged([AGENT, CUSTOMER], ["Agent", "Customer"])
    assert spoken(result) == [
        (0.5, "Agent", "Good day"),
        (1.5, "Customer", "Yes, hello."),
        (3.0, "Agent", "to you."),
        (6.0, "Agent", "Bye 2 you"),
        (6.3, "Customer", "Bye."),
    ]
    assert without_speakers(result["segments"][3]) == AGENT["segments"][1]


def without_speakers(segment: dict[str, Any]) -> dict[str, Any]:
    """Return a segment without its speaker and those of its words."""
    plain = {key: value for key, value in segment.items() if key != "speaker"}
    return {**plain, "words": [{k: v for k, v in each.items() if k != "speaker"} for each in segment["words"]]}


def test_long_segments_are_cut_where_another_speaker_begins() -> None:
    """At the longest pause within a second; at the next word if the pause is longer. The pieces make up the segment."""
    times = [0.0, 0.5, 1.0, 1.5, 2.2, 2.7, 3.2, 9.0, 9.5, 12.0]
    words = [word(f"w{number}", start, start + 0.4) for number, start in enumerate(times)]
    text = " ".join(each["word"] for each in words)
    long = {"segments": [segment(0.0, 12.4, text, words=words, avg_logprob=-0.2)]}
    others = [segment(start, start + 0.3, "mhm") for start in (1.2, 4.0, 5.0, 11.0)]
    result = merged([long, {"segments": others}], ["A", "B"])
    own = [each for each in result["segments"] if each["speaker"] == "A"]
    assert [each["text"].strip() for each in result["segments"]] == [
        "w0 w1 w2 w3",
        "mhm",
        "w4 w5 w6",
        "mhm",
        "mhm",
        "w7 w8 w9",
        "mhm",
    ]
    assert [(each["start"], each["end"], each["avg_logprob"]) for each in own] == [
        (0.0, 1.9, -0.2),
        (2.2, 3.6, -0.2),
        (9.0, 12.4, -0.2),
    ]
    assert [each["word"] for one in own for each in one["words"]] == text.split()


def test_words_are_in_order_of_time_with_their_speakers() -> None:
    """Those without times follow the word before them; they are the words of the segments themselves."""
    result = merged([AGENT, CUSTOMER], ["A", "C"])
    said = " ".join(f"{each['speaker']}:{each['word']}" for each in result["word_segments"])
    assert said == "A:Good A:day C:Yes, C:hello. A:to A:you. A:Bye A:2 C:Bye. A:you"
    assert {id(each) for each in result["word_segments"]} == {id(w) for s in result["segments"] for w in s["words"]}
    assert "speaker" not in CUSTOMER["segments"][0]["words"][0], "what is given stays as it is"


def test_times_are_those_of_the_recording() -> None:
    """Of segments, words and characters of a track that begins later."""
    result = merged([AGENT, CUSTOMER], ["A", "C"], [0.0, 0.2])
    late = result["segments"][1]
    assert (late["start"], late["words"][1]["end"], late["chars"][0]["end"]) == (1.7, 2.7, 1.8)
    assert [each["start"] for each in result["segments"]] == [0.5, 1.7, 3.0, 6.0, 6.5]


def test_the_language_is_that_of_most_words() -> None:
    """Of words, not of segments, whatever the order of the parts."""
    assert merged([GERMAN, ENGLISH], ["C", "A"])["language"] == "en"
    assert most_words([CUSTOMER, AGENT]) == 1
    untimed = {"segments": [segment(0, 9, "so many words that nothing has timed as here")]}
    assert most_words([AGENT, untimed]) == 1


def test_parts_without_speech_or_words_are_merged_too() -> None:
    """A silent channel, and segments whose words nothing has timed."""
    silent: dict[str, Any] = {"segments": [], "language": "en"}
    assert merged([silent, silent], ["A", "B"]) == silent
    assert spoken(merged([silent, GERMAN], ["A", "B"])) == [(1.5, "B", "Yes, hello."), (6.3, "B", "Bye.")]
    untimed = {"segments": [segment(1, 2, "Yes.")], "language": "en"}
    result = merged([untimed, ENGLISH], ["A", "B"])
    assert [each["speaker"] for each in result["segments"]] == ["B", "A", "B", "B"]
    assert len(result["word_segments"]) == 7
    assert "word_segments" not in merged([untimed, silent], ["A", "B"])


TEXT_FORMATS = [name for name in ENCODERS if name not in {"docx", "quality", "rttm", "scc", "textgrid"}]


@pytest.mark.parametrize("readable", [False, True])
@pytest.mark.parametrize("name", TEXT_FORMATS)
def test_every_format_of_text_has_all_words_of_overlapping_speech(name: str, *, readable: bool) -> None:
    """In their order in each speaker's segments."""
    segments = merged([AGENT, CUSTOMER], ["Agent", "Customer"])["segments"]
    layout = Layout(**PLAIN, readable={}) if readable else PLAIN
    text = ours(name, segments, layout, diarization=None).decode()
    for said in (r"Good\b.*\bday\b.*\bto\b.*\byou\.", r"Yes,.*\bhello\..*\bBye\."):
        assert re.search(said, text, re.DOTALL)


def test_the_binary_formats_take_overlapping_speech() -> None:
    """Praat has tiers for each speaker, which must not overlap."""
    segments = merged([AGENT, CUSTOMER], ["Agent", "Customer"])["segments"]
    grid = ours("textgrid", segments, diarization=None).decode()
    assert grid.index('"Good day"') < grid.index('"to you."') < grid.index('"Yes, hello."')
    assert ours("docx", segments, diarization=None)[:2] == b"PK"
    assert ours("scc", segments, diarization=None).startswith(b"Scenarist_SCC")


def test_readable_subtitles_show_overlapping_speech_when_it_is_said() -> None:
    """Where segments stayed whole, what is said meanwhile would come seconds late."""
    segments = merged([AGENT, CUSTOMER], ["A", "C"])["segments"]
    cues = ours("srt", segments, Layout(**PLAIN, readable={}), diarization=None).decode().split("\n\n")
    assert [cue.splitlines()[1][:12] for cue in cues if cue.strip()][:3] == [
        "00:00:00,500",
        "00:00:01,500",
        "00:00:03,000",
    ]
