"""Speakers within the parts of a recording: a conference phone on a line, a room on one track.

A diarization of the parts calls them by the part's label and the diarizer's: `CHANNEL_1 SPEAKER_00`.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import count, groupby
from typing import Any

from tasks.audio.types import AudioFile
from tasks.channels.merging import in_order
from tasks.diarization.labels import label_speakers
from tasks.diarization.voices import Turn

Result = dict[str, Any]
"""WhisperX's result: `segments`, and `word_segments` if its words are timed."""


def label_within(part: str, speaker: str) -> str:
    """Return the label of a speaker whom diarization finds in a part."""
    return f"{part} {speaker}"


def part_of(label: str) -> str:
    """Return the label of the part in which a speaker is."""
    return label.partition(" ")[0]


def channel_of(label: str) -> int:
    """Return the number of the channel in which a speaker is, from 1; 0 if channels were not diarized."""
    kind, _, number = part_of(label).partition("_")
    return int(number) + 1 if kind == "CHANNEL" else 0


def to_label(result: Result) -> Result:
    """Return a result with segments and words of its own: labelled twice, the names would be taken for labels."""
    segments = [
        {**each, "words": [dict(word) for word in each["words"]]} if "words" in each else dict(each)
        for each in result["segments"]
    ]
    return {**result, "segments": segments}


def label_parts(turns: Iterable[Turn], result: Result, embeddings: dict[str, list[float]] | None = None) -> None:
    """Label in place the words and segments of each part with the speakers of the turns in that part.

    Those that overlap with no turn keep the label of the part.
    """
    by_part: defaultdict[str, list[Turn]] = defaultdict(list)
    for turn in turns:
        by_part[part_of(turn[2])].append(turn)
    for part, own in by_part.items():
        segments = [segment for segment in result["segments"] if segment["speaker"] == part]
        label_speakers(own, {"segments": segments}, None)
    if embeddings is not None:
        result["speaker_embeddings"] = embeddings


def names_within(result: Result, names: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """Return the names of the speakers of a labelled result; `names` are those of the parts, `known` those of people.

    The only speaker with words in a part has the part's name, unless known by another. Several are numbered, over all
    parts of one name: nothing says that a speaker of one of them is the same as a speaker of another.
    """
    numbers: defaultdict[str, Iterator[int]] = defaultdict(count)
    called = dict(names)
    within = (label for label in _labels(result) if label != part_of(label))
    for part, of_part in groupby(sorted(within, key=lambda label: (len(part_of(label)), label)), key=part_of):
        name, labels = names.get(part, part), list(of_part)
        for label in labels:
            called[label] = label_within(name, f"SPEAKER_{next(numbers[name]):02}") if len(labels) > 1 else name
        if len(labels) == 1 and labels[0] in known:
            called[part] = known[labels[0]]  # of words outside all turns
    return {**called, **known}


def _labels(result: Result) -> set[str]:
    return {each["speaker"] for segment in result["segments"] for each in (segment, *segment.get("words", ()))}


def turns_in(result: Result, turns: Iterable[Turn]) -> list[Turn]:
    """Return who speaks when in a labelled result: the `turns` of diarization whose speakers have words there.

    In parts without any, each segment is a turn. `word_segments` are then the words of the segments, in order; in a
    stored result they are copies.
    """
    if "word_segments" in result:
        result["word_segments"] = in_order(result["segments"])
    labels = _labels(result)
    found = [turn for turn in turns if turn[2] in labels]
    diarized = {part_of(label) for *_, label in found}
    spoken = [(each["start"], each["end"], each["speaker"]) for each in result["segments"]]
    return found + [turn for turn in spoken if part_of(turn[2]) not in diarized]


def unused_names(file: AudioFile, *, split: bool) -> str | None:
    """Return a note on names of channels that a recording does not have; None if there are none, or it was mixed.

    It has fewer channels than expected: the other names may be wrong, too.
    """
    unused = file.speakers[file.channels :]
    if file.tracks or not unused or not (split or file.channel_mode == "split"):
        return None
    channels = f"{file.channels} channel{'' if file.channels == 1 else 's'}"
    return f"channel_names has {len(file.speakers)} names for {channels}: {', '.join(unused)} not used"
