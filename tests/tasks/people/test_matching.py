"""tasks/people/: whom a speaker is taken for, by voices whose cosines are known."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.audio.types import AudioFile
from tasks.diarization.voices import Voice
from tasks.diarize import Diarization
from tasks.errors import InvalidInput
from tasks.formats import ENCODERS, encode
from tasks.people.known import KnownVoice, PeopleChanged, PeopleFolder, Person, read_people, voices_json
from tasks.people.labels import Naming, names_of, rename
from tasks.people.limits import Limits, parse_limits
from tasks.people.matching import Match, Matcher
from tasks.quality.transcript import Finding
from tasks.quality.verdict import Quality
from tasks.storage.outputs import OutputPath
from tasks.transcribe import Transcript
from tasks.write import WriteOptions, write

LIMITS = Limits(0.65, 0.55)


def voice(degrees: float, seconds: float = 20.0, bandwidth: str = "full", model: str = "m") -> Voice:
    """Return a voice in a plane: the cosine of two is that of the angle between them."""
    vector = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees)), 0], "<f4")
    return Voice(base64.b64encode(vector.tobytes()).decode(), seconds, bandwidth, (0.0, 5.0), model)  # type: ignore[arg-type]


def person(number: int, name: str, *voices: Voice) -> Person:
    """Return a person with these voices, each of a recording of its own."""
    return Person(
        f"P{number:04}", name, [KnownVoice(each, "a.wav", f"{number}{i}", "S") for i, each in enumerate(voices)]
    )


def found(voices: dict[str, Voice], *people: Person, limits: Limits | None = LIMITS) -> dict[str, Match]:
    """Return whom the speakers are taken for."""
    return {match["label"]: match for match in Matcher(list(people), limits).matches(voices)}


def test_a_speaker_is_named_above_the_upper_limit_and_suggested_above_the_lower_one() -> None:
    """With the margin to the next person; others are nobody. An id stands for a person without a name."""
    ada, other = person(1, "Ada", voice(0)), person(2, "", voice(180))
    of = found({"S0": voice(40), "S1": voice(130)}, ada, other)
    assert of["S0"] == Match(label="S0", person="P0001", name="Ada", sure=True, similarity=0.766, margin=1.532)
    assert of["S1"]["name"] == "P0002?"
    assert names_of(list(of.values())) == {"S0": "Ada"}
    assert found({"S0": voice(55)}, ada)["S0"]["name"] == "Ada?"
    assert found({"S0": voice(57)}, ada) == {}
    assert found({"S0": voice(40)}, ada)["S0"]["margin"] is None


def test_a_person_is_one_speaker_of_a_recording_or_of_each_of_its_channels() -> None:
    """A channel also hears, softer, who speaks on another one: that must not take the name from the words there."""
    ada = person(1, "Ada", voice(0))
    names = names_of(list(found({"S0": voice(9), "S1": voice(3), "S2": voice(6)}, ada).values()))
    assert names == {"S1": "Ada"}
    labels = ("CHANNEL_0 S0", "CHANNEL_0 S1", "CHANNEL_1 S0")
    heard = dict(zip(labels, (voice(9), voice(3), voice(6)), strict=True))
    names = names_of(list(found(heard, ada).values()))
    assert names == {"CHANNEL_0 S1": "Ada", "CHANNEL_1 S0": "Ada"}


def test_the_least_like_voice_of_a_person_counts() -> None:
    """Complete linkage."""
    assert found({"S0": voice(10)}, person(1, "Ada", voice(0), voice(69))) == {}


@pytest.mark.parametrize(
    ("speaker", "known", "expected"),
    [
        (voice(10, seconds=9.9), voice(0), "Ada?"),
        (voice(10), voice(0, seconds=9.9), "Ada?"),
        (voice(10, bandwidth="telephone"), voice(0), None),
        (voice(10, bandwidth="telephone"), voice(0, bandwidth="telephone"), "Ada"),
        (voice(10, model="other"), voice(0), None),
    ],
)
def test_little_speech_is_never_sure_and_bandwidths_and_models_are_not_compared(
    speaker: Voice, known: Voice, expected: str | None
) -> None:
    """Not even for voices that are nearly the same."""
    match = found({"S0": speaker}, person(1, "Ada", known)).get("S0")
    assert (match and match["name"]) == expected


def test_two_speakers_of_a_file_are_not_one_person() -> None:
    """The more alike one is; the other may be the next person."""
    ada, bob = person(1, "Ada", voice(0)), person(2, "Bob", voice(45))
    of = found({"S0": voice(12), "S1": voice(10)}, ada, bob)
    assert {label: match["name"] for label, match in of.items()} == {"S0": "Bob", "S1": "Ada"}


def test_a_voice_that_is_a_persons_own_is_that_person_whatever_the_limits() -> None:
    """Somebody who listened to it has said so, though it rests on little speech; so two ids may have one name."""
    same = voice(0, seconds=6), voice(90, seconds=6)
    people = [person(1, "Ada", same[0]), person(2, "Ada", same[1])]
    of = found({"S0": same[0], "S1": same[1]}, *people, limits=None)
    assert names_of(list(of.values())) == {"S0": "Ada", "S1": "Ada"}
    assert found({"S0": voice(1)}, *people, limits=None) == {}, "of an unknown model nobody else is named"


def test_names_reach_every_format_and_labels_stay_at_hand() -> None:
    """Also a name that means something to a format; `speaker_names` of the json says whose label was whose."""
    name = 'Ada <"Countess"> & Söhne'
    words = [{"word": "Hello", "start": 0.0, "end": 1.0, "score": 0.9, "speaker": "SPEAKER_00"}]
    segment = {"start": 0.0, "end": 1.0, "text": " Hello", "words": words, "speaker": "SPEAKER_00"}
    transcript = Transcript("en", {"segments": [segment], "word_segments": words})
    turns = rename(transcript, Diarization([(0.0, 1.0, "SPEAKER_00"), (1.0, 2.0, "SPEAKER_01")]), {"SPEAKER_00": name})
    assert [speaker for *_, speaker in turns.turns] == [name, "SPEAKER_01"]
    layout = WriteOptions().layout()
    written = {each: encode(each, transcript, turns, layout, "t", 2.0) for each in ENCODERS if each != "quality"}
    result = json.loads(written["json"])
    assert result["speaker_names"] == {"SPEAKER_00": name}
    assert {result["segments"][0]["speaker"], result["word_segments"][0]["speaker"]} == {name}
    for each, content in written.items():
        assert b"SPEAKER_00" not in content or each == "json", each


def test_people_are_read_with_the_names_of_the_table(tmp_path: Path) -> None:
    """As a spreadsheet saves it; a run notices if somebody edits it meanwhile."""
    ada = person(1, "", voice(0))
    (tmp_path / "voices.json").write_bytes(voices_json([ada]))
    assert read_people(str(tmp_path)) == [ada]
    (tmp_path / "speakers.csv").write_text("\ufeffid;name;file\nP0001;Zoë;a.wav\n")
    assert read_people(str(tmp_path))[0].name == "Zoë"
    naming = Naming(PeopleFolder.at(str(tmp_path)))
    (tmp_path / "speakers.csv").write_text("id;name;file\nP0001;Ann;a.wav\n")
    with pytest.raises(PeopleChanged, match="run the same command again"):
        naming.matches(Diarization([], voices={"S0": voice(0)}))
    assert read_people(str(tmp_path / "none")) == []


def test_the_check_names_the_only_speaker_of_a_channel_as_the_transcript_does(tmp_path: Path) -> None:
    """A channel with several has its own name in reasons: a doubt is not that of one of them."""
    (tmp_path / "voices.json").write_bytes(voices_json([person(1, "Ada", voice(0))]))
    spoken: list[dict[str, Any]] = [
        {"start": float(i), "end": i + 1.0, "text": "Hello.", "speaker": f"CHANNEL_{number}"}
        for i, number in enumerate((0, 1, 1))
    ]
    labels = ("CHANNEL_0 S0", "CHANNEL_1 S0", "CHANNEL_1 S1")
    turns = [(float(i), i + 1.0, label) for i, label in enumerate(labels)]
    heard = dict(zip(labels, (voice(0), voice(90), voice(180)), strict=True))
    doubts = [Finding("missing", "odd", 0.0, 3.0, speaker=f"CHANNEL_{number}") for number in (0, 1)]
    write.fn(
        AudioFile("/in/a.wav", "a.wav", 3.0, channels=2, channel_mode="split", speakers=("Agent", "Room")),
        OutputPath(str(tmp_path), "", "a.{format}"),
        Transcript("en", {"segments": spoken}, parts=[Transcript("en", {"segments": []})] * 2),
        Diarization(turns, voices=heard),
        WriteOptions(output_format="txt,quality"),
        None,
        quality=Quality("check", [], doubts, 3.0, 3.0),
        naming=Naming(PeopleFolder.at(str(tmp_path)), LIMITS),
    )
    assert "[Ada]" in (tmp_path / "a.txt").read_text()
    findings = json.loads((tmp_path / "a.quality.json").read_text())["findings"]
    assert [each["speaker"] for each in findings] == ["Ada", "Room"]


@pytest.mark.parametrize(
    ("model", "known", "told"), [("m", True, False), ("other", True, True), ("other", False, False)]
)
def test_the_report_says_that_nobody_is_named_because_all_voices_are_of_another_model(
    tmp_path: Path, model: str, *, known: bool, told: bool
) -> None:
    """Not where nobody is known, or somebody could have been named."""
    if known:
        (tmp_path / "voices.json").write_bytes(voices_json([person(1, "Ada", voice(0))]))
    spoken = {"start": 0.0, "end": 1.0, "text": "Hello."}
    written = write.fn(
        AudioFile("/in/a.wav", "a.wav", 3.0),
        OutputPath(str(tmp_path), "", "a.{format}"),
        Transcript("en", {"segments": [spoken]}),
        Diarization([(0.0, 1.0, "SPEAKER_00")], voices={"SPEAKER_00": voice(90, model=model)}),
        WriteOptions(output_format="json"),
        None,
        naming=Naming(PeopleFolder.at(str(tmp_path)), LIMITS),
    )
    assert ("nobody is named: the voices of --speakers are of another" in (written.note or "")) is told


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("voices.json", b'{"people": [{"id": 1}]}', "voices.json: not as this release"),
        ("speakers.csv", b"id,who\nP0001,Ada\n", "the columns name and file"),
        ("speakers.csv", "id,name,file\nP0001,Zoë,a\n".encode("latin-1"), "not UTF-8"),
    ],
)
def test_wrong_files_are_refused(tmp_path: Path, name: str, content: bytes, error: str) -> None:
    """With what to do."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInput, match=error):
        read_people(str(tmp_path))


@pytest.mark.parametrize("text", ["0.6", "0.5,0.6", "a,b", "1.2,0.5"])
def test_wrong_limits_are_refused(text: str) -> None:
    """Two cosines, the upper one first."""
    with pytest.raises(ValueError, match=text):
        parse_limits(text)
