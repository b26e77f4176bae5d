"""Recordings in parts: each channel, or track, is checked by its own sound, and passed again alone.

The first part is half a minute of a telephone call with Whisper's text of it; the second is the same 4 s later.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import TWO_SPEAKERS

from tasks.audio.decoding import decode
from tasks.audio.types import SAMPLE_RATE, Audio, Samples
from tasks.check import SecondPass, check_transcript, choose_texts
from tasks.formats.quality import quality_json
from tasks.parts.separate import parts_of
from tasks.quality.coverage import Coverage
from tasks.quality.options import CheckOptions
from tasks.quality.transcript import Finding
from tasks.quality.verdict import Decoded, Quality, judge, with_names
from tasks.second_pass.stretches import MOST, Stretch, leave_excess, stretches_of
from tasks.transcribe import TranscribeOptions, Transcript, of_parts
from tasks.transcribe_again import DecodedAgain

Segments = list[dict[str, Any]]
CALL: Segments = json.loads((Path(__file__).parents[2] / "data" / "quality" / "call.json").read_text())
LATER_S = 4.0
OFFSET_S = 2.5
LABELS = ("TRACK_0", "TRACK_1")
NONE = np.empty(0, np.int16)


def later(segments: Segments) -> Segments:
    """Return segments 4 s later."""
    moved = []
    for each in segments:
        words = [word | {key: word[key] + LATER_S for key in ("start", "end")} for word in each["words"]]
        moved.append(each | {"start": each["start"] + LATER_S, "end": each["end"] + LATER_S, "words": words})
    return moved


@pytest.fixture(scope="module", name="call")
def _call() -> Samples:
    """The call: 30 s."""
    return decode(str(TWO_SPEAKERS))


@pytest.fixture(scope="module", name="sound")
def _sound(call: Samples) -> Audio:
    """Both parts; the second is a track that begins 2.5 s after the first."""
    second = np.concatenate([np.zeros(int(LATER_S * SAMPLE_RATE), np.int16), call])
    return Audio(NONE, None, (call, second), (0.0, OFFSET_S))


def apart(sound: Audio, *texts: Segments, languages: tuple[str, str] = ("en", "en")) -> Transcript:
    """Return the transcript of a recording from the texts of its parts."""
    parts = [
        Transcript(
            language,
            {"segments": text, "word_segments": [word for each in text for word in each["words"]]},
            "whisper",
        )
        for text, language in zip(texts, languages, strict=True)
    ]
    return of_parts(parts, LABELS, sound)


def checked(transcript: Transcript, sound: Audio) -> Quality:
    """Return the check with the default limits."""
    return check_transcript(transcript, sound, None, CheckOptions(), TranscribeOptions(), labels=LABELS)


def hole() -> tuple[Segments, Segments]:
    """Return the second text without some of its segments, and those."""
    gone = [each for each in later(CALL) if 18 < each["start"] < 24]
    return [each for each in later(CALL) if each not in gone], gone


def test_parts_that_are_transcribed_well_are_good(sound: Audio) -> None:
    """Each has its own speech, and all of it its own text."""
    quality = checked(apart(sound, CALL, later(CALL)), sound)
    assert (quality.verdict, quality.findings) == ("good", [])
    assert quality.speech_s > 40
    assert quality.covered_s == pytest.approx(quality.speech_s, abs=1)


@pytest.mark.parametrize("softer", [1, 5])
def test_what_one_part_lacks_is_found_while_another_speaks(sound: Audio, softer: int) -> None:
    """By the time of the recording, with the speaker in all reasons; also if one is always recorded 14 dB softer."""
    sound = Audio(NONE, None, (sound.parts[0], sound.parts[1] // softer), sound.offsets_s)
    text, gone = hole()
    quality = checked(apart(sound, CALL, text), sound)
    missing = [each for each in quality.findings if each.kind == "missing"]
    assert {each.speaker for each in missing} == {"TRACK_1"}
    begin, end = gone[0]["start"] + OFFSET_S, gone[-1]["end"] + OFFSET_S
    assert all(begin - 2 < (each.start or 0) < (each.end or 0) < end + 1 for each in missing)
    assert quality.verdict == "check"
    named = with_names(quality, {"TRACK_1": "Grace"})
    assert named.reasons[0].startswith("missing: Grace: ")
    assert {each["speaker"] for each in json.loads(quality_json(named))["findings"]} == {"Grace"}


def test_a_part_without_most_of_its_text_is_bad(sound: Audio) -> None:
    """However well the other one is transcribed, as it would not be in the mix."""
    quality = checked(apart(sound, CALL, later(CALL)[:2]), sound)
    assert quality.verdict == "bad"
    assert quality.reasons[0].startswith("TRACK_1: only ")


@pytest.mark.parametrize("softer", [10, 3])
@pytest.mark.parametrize("transcribed", [False, True])
def test_what_is_heard_of_another_speaker_is_not_missed(
    call: Samples,
    softer: int,
    transcribed: bool,  # noqa: FBT001
) -> None:
    """20 or 10 dB softer, if it was transcribed as crosstalk, and 20 if it was not; then nothing is in doubt."""
    sound = Audio(NONE, None, (call, call // softer), (0.0, 0.0))
    quality = checked(apart(sound, CALL, CALL if transcribed else []), sound)
    if transcribed or softer == 10:
        assert (quality.verdict, quality.findings) == ("good", [])
    else:
        assert quality.verdict == "bad"


def test_each_part_has_its_own_language(sound: Audio) -> None:
    """German beside English is no foreign passage; in the part's own language it is one."""
    german = [
        {**each, "text": "das ist nicht der Hund und die Katze", "words": each["words"]}
        for each in later(CALL)
        if len(each["words"]) >= 7
    ]
    for each in german:
        for word, spoken in zip(each["words"], (each["text"] + " und" * 30).split(), strict=False):
            word["word"] = spoken
    for language, found in (("de", False), ("en", True)):
        quality = checked(apart(sound, CALL, german, languages=("en", language)), sound)
        assert any(each.kind == "language" for each in quality.findings) == found


def passed_again(
    sound: Audio, text: Segments, new: Segments, *, provisional: bool = False
) -> tuple[Transcript, SecondPass]:
    """Return a transcript whose second part has a hole, and what is chosen of it and the new segments there.

    The times of the new ones may be `provisional`.
    """
    transcript = apart(sound, CALL, text)
    found = [each.moved(-OFFSET_S) for each in checked(transcript, sound).findings]
    segments = parts_of(transcript, sound, LABELS)[1].segments
    stretches = stretches_of(found, segments, len(sound.parts[1]) / SAMPLE_RATE)
    for stretch in stretches:
        stretch.decoded = [Decoded(each["start"], each["end"], each["text"], -0.3, 0.1, 1.0, 0.0) for each in new]
    decoded = DecodedAgain("en", [], [DecodedAgain("en", []), DecodedAgain("en", stretches)])
    again = [
        Transcript("en", {"segments": []}),
        Transcript("en", {"segments": new}, "segments" if provisional else "whisper", provisional),
    ]
    return transcript, choose_texts(
        transcript,
        decoded,
        Transcript("en", {"segments": []}, provisional=provisional, parts=again),
        sound,
        None,
        CheckOptions(),
        TranscribeOptions(),
        labels=LABELS,
    )


def test_a_hole_of_one_part_gets_the_text_of_the_second_pass(sound: Audio) -> None:
    """The transcript is that of a recording without the hole: times, speakers and the other part's words."""
    text, gone = hole()
    _, second = passed_again(sound, text, gone)
    assert second.transcript.result == apart(sound, CALL, later(CALL)).result
    assert second.quality.verdict == "good"
    (decision,) = second.quality.second_pass
    assert decision.taken, decision
    assert decision.speaker == "TRACK_1"
    assert decision.start == pytest.approx(gone[0]["start"] + OFFSET_S, abs=1)
    assert decision.decoded[0].start == pytest.approx(gone[0]["start"] + OFFSET_S)


def test_a_text_that_is_not_taken_changes_nothing(sound: Audio) -> None:
    """Not even the order of the words."""
    transcript, second = passed_again(sound, hole()[0], [])
    assert second.transcript == transcript
    assert [each.taken for each in second.quality.second_pass] == [False]


def test_a_decision_by_provisional_times_is_no_last_one(sound: Audio) -> None:
    """Also if it leaves the text as it is: once the aligner can be loaded, the new text may be better."""
    text, gone = hole()
    untimed = [{key: each[key] for key in ("start", "end", "text")} for each in gone]
    transcript, second = passed_again(sound, text, untimed, provisional=True)
    assert [each.taken for each in second.quality.second_pass] == [False]
    assert second.transcript.result == transcript.result
    assert second.transcript.provisional
    parts = second.transcript.parts or []
    assert [(part.provisional, part.aligned_by) for part in parts] == [(False, "whisper"), (True, "whisper, segments")]


def test_the_bounds_are_those_of_the_whole_recording() -> None:
    """All parts together have at most so many stretches."""
    parts = [[Stretch(2.0 * i, 2.0 * i + 1 + i / 100, ["missing"], ["odd"]) for i in range(MOST)] for _ in range(2)]
    leave_excess(stretch for part in parts for stretch in part)
    assert [sum(stretch.left is None for stretch in part) for part in parts] == [MOST // 2, MOST // 2]


def test_doubts_of_speakers_who_talk_at_once_count_for_each() -> None:
    """As the seconds of their speech do."""
    found = Coverage(speech_s=100.0, covered_s=94.0)
    doubts = [Finding("missing", "odd", 10.0, 13.0, speaker=label) for label in LABELS]
    verdicts = [judge(each, found, check_share=0.05, bad_share=0.3).verdict for each in (doubts, doubts[:1])]
    assert verdicts == ["check", "good"]
