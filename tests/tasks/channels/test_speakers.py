"""tasks/channels/speakers.py: who speaks within the parts of a recording."""

from typing import Any

from tasks.channels.merging import merged
from tasks.channels.speakers import label_parts, names_within, turns_in


def sentence(start: float, *words: str) -> dict[str, Any]:
    """Return a sentence with a word each second, half a second long."""
    timed = [{"word": word, "start": start + i, "end": start + i + 0.5} for i, word in enumerate(words)]
    return {"start": start, "end": timed[-1]["end"], "text": " ".join(words), "words": timed}


def result(*parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the merged result of parts."""
    labels = [f"CHANNEL_{number}" for number in range(len(parts))]
    return merged([{"segments": part, "word_segments": []} for part in parts], labels)


def test_the_words_of_a_channel_have_the_speakers_of_its_own_turns() -> None:
    """Who speaks on another one at the same time makes no difference; words without a turn are the channel's."""
    talk = result([sentence(0, "one", "two", "three"), sentence(9, "nobody")], [sentence(1.7, "four")])
    turns = [(0.0, 1.2, "CHANNEL_0 SPEAKER_00"), (1.6, 3, "CHANNEL_0 SPEAKER_01"), (0, 9, "CHANNEL_1 SPEAKER_00")]
    label_parts(turns, talk)
    assert turns_in(talk, [*turns, (0, 1, "CHANNEL_0 SPEAKER_02")]) == turns  # of nobody without words
    assert [word["word"] for word in talk["word_segments"]] == ["one", "two", "four", "three", "nobody"]
    assert names_within(talk, {"CHANNEL_0": "Room"}, {}) == {
        "CHANNEL_0": "Room",
        "CHANNEL_0 SPEAKER_00": "Room SPEAKER_00",
        "CHANNEL_0 SPEAKER_01": "Room SPEAKER_01",
        "CHANNEL_1 SPEAKER_00": "CHANNEL_1",
    }


def test_who_has_no_words_makes_nobody_a_speaker_of_several() -> None:
    """Crosstalk is diarized too, and its words are gone."""
    talk = result([sentence(0, "one", "two")], [sentence(5, "three")])
    label_parts([(0, 2, "CHANNEL_0 SPEAKER_01"), (5, 6, "CHANNEL_0 SPEAKER_00")], talk)
    names = {"CHANNEL_0": "Agent", "CHANNEL_1": "Customer"}
    assert names_within(talk, names, {}) == {**names, "CHANNEL_0 SPEAKER_01": "Agent"}


def test_a_part_without_turns_has_one_for_each_sentence() -> None:
    """Beside one that was diarized."""
    talk = result([sentence(0, "one")], [sentence(5, "two"), sentence(9, "three")])
    turns = [(0, 2, "CHANNEL_0 SPEAKER_00")]
    label_parts(turns, talk)
    assert turns_in(talk, turns) == [*turns, (5, 5.5, "CHANNEL_1"), (9, 9.5, "CHANNEL_1")]


def test_a_person_who_is_known_has_all_words_of_a_channel_of_one_speaker() -> None:
    """Also those outside all turns; where there are several, nobody knows whose those are."""
    known = {"CHANNEL_0 SPEAKER_00": "Ada"}
    talk = result([sentence(0, "one"), sentence(9, "two")])
    label_parts([(0, 1, "CHANNEL_0 SPEAKER_00")], talk)
    assert names_within(talk, {}, known) == {"CHANNEL_0": "Ada", **known}
    talk = result([sentence(0, "one"), sentence(3, "two"), sentence(9, "three")])
    label_parts([(0, 1, "CHANNEL_0 SPEAKER_00"), (3, 4, "CHANNEL_0 SPEAKER_01")], talk)
    assert names_within(talk, {}, known) == {"CHANNEL_0 SPEAKER_01": "CHANNEL_0 SPEAKER_01", **known}


def test_parts_of_one_name_have_no_speakers_in_common() -> None:
    """Recordings of a room: the first speaker of one need not be the first of the next. They count in their order."""
    parts = range(11)
    talk = result(*[[sentence(5 * part, "one", "two")] for part in parts])
    pieces = [(5 * part + i, 5 * part + i + 0.5, f"CHANNEL_{part} SPEAKER_0{i}") for part in parts for i in (0, 1)]
    label_parts(pieces, talk)
    called = names_within(talk, {f"CHANNEL_{part}": "Room" for part in parts}, {})
    assert [called[label] for *_, label in pieces] == [f"Room SPEAKER_{number:02}" for number in range(22)]
