"""tasks/second_pass: what is decoded again, and when its text is taken.

The first text is Whisper's own of half a minute of a telephone call, with a fault put in; the second is given here.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from conftest import TWO_SPEAKERS

from tasks.audio.decoding import decode
from tasks.audio.types import SAMPLE_RATE, Audio, Samples
from tasks.check import SecondPass, check_transcript, choose_texts
from tasks.quality.options import CheckOptions
from tasks.quality.transcript import Finding, segments_of
from tasks.quality.verdict import Decoded
from tasks.second_pass.stretches import MOST, MOST_S, leave_excess, stretches_of
from tasks.storage.results import StoredResult, result_store
from tasks.transcribe import TranscribeOptions, Transcript
from tasks.transcribe_again import DecodedAgain

Segments = list[dict[str, Any]]
CALL: Segments = json.loads((Path(__file__).parent.parent / "data" / "quality" / "call.json").read_text())
AT = 4
"""The segment that gets a fault, with several words."""


@pytest.fixture(scope="module", name="call")
def _call() -> Samples:
    """The call: 30 s."""
    return decode(str(TWO_SPEAKERS))


def timed(text: str, start: float, end: float, **more: Any) -> dict[str, Any]:
    """Return a segment with its words spread evenly."""
    words, step = text.split(), (end - start) / max(len(text.split()), 1)
    spread = [
        {"word": word, "start": start + i * step, "end": start + (i + 1) * step, "score": 0.9}
        for i, word in enumerate(words)
    ]
    return {"start": start, "end": end, "text": text, "words": spread, "avg_logprob": -0.2} | more


def passed_again(first: Segments, second: Segments, samples: Samples, logprob: float = -0.3) -> SecondPass:
    """Return what is chosen of two texts of the call, with the real check of the first."""
    words = [word for segment in first for word in segment.get("words", ())]
    transcript = Transcript("en", {"segments": first} | ({"word_segments": words} if words else {}), "whisper")
    options, audio = TranscribeOptions(), Audio(samples)
    quality = check_transcript(transcript, audio, None, CheckOptions(), options)
    stretches = stretches_of(quality.findings, segments_of(transcript.result, "en"), len(samples) / SAMPLE_RATE)
    for stretch in stretches:
        stretch.decoded = [
            Decoded(each["start"], each["end"], each["text"], logprob, 0.1, 1.0, 0.0)
            for each in second
            if stretch.start <= (each["start"] + each["end"]) / 2 <= stretch.end
        ]
    again = Transcript("en", {"segments": second}, "whisper")
    return choose_texts(transcript, DecodedAgain("en", stretches), again, audio, None, CheckOptions(), options)


def texts(segments: Iterable[dict[str, Any]]) -> list[str]:
    """Return the texts in their order."""
    return [each["text"].strip() for each in segments]


def hole() -> tuple[Segments, Segments]:
    """Return the call without some of its segments, and those."""
    gone = [each for each in CALL if 14 < each["start"] < 20]
    assert gone
    return [each for each in CALL if each not in gone], gone


def test_a_hole_gets_the_text_of_the_second_pass(call: Samples) -> None:
    """What was there stays as it was, all words are in one list, and both texts are in the decision."""
    first, gone = hole()
    second = passed_again(first, gone, call)
    assert texts(second.transcript.result["segments"]) == texts(CALL)
    words = [word for each in CALL for word in each["words"]]
    assert second.transcript.result["word_segments"] == words
    (decision,) = second.quality.second_pass
    assert decision.taken, decision
    assert decision.doubts
    assert decision.after == " ".join(texts(gone))
    assert decision.decoded[0].avg_logprob == -0.3
    assert second.quality.verdict == "good"


def test_a_loop_is_replaced(call: Samples) -> None:
    """With the text that was decoded instead."""
    said = CALL[AT]
    loop = timed("and then we said " * 12, said["start"], said["end"])
    second = passed_again([*CALL[:AT], loop, *CALL[AT + 1 :]], CALL, call)
    assert texts(second.transcript.result["segments"]) == texts(CALL)
    (decision,) = second.quality.second_pass
    assert decision.taken, decision
    assert "and then we said and then we said" in decision.before


@pytest.mark.parametrize(
    ("fault", "logprob", "why"),
    [
        ("nothing", -0.3, "in doubt for"),
        ("a loop", -0.3, "in doubt for"),
        ("unsure", -0.9, "Whisper was unsure"),
    ],
)
def test_a_worse_text_is_not_taken_for_a_hole(call: Samples, fault: str, logprob: float, why: str) -> None:
    """Nothing, a loop, or what the decoder was not sure of: the transcript stays, and the decision says why."""
    first, gone = hole()
    start, end = gone[0]["start"], gone[-1]["end"]
    new = {"nothing": [], "a loop": [timed("no no no " * 9, start, end)], "unsure": gone}[fault]
    second = passed_again(first, new, call, logprob)
    assert second.transcript.result["segments"] == first
    (decision,) = second.quality.second_pass
    assert not decision.taken
    assert why in decision.why
    assert second.quality.verdict == "check"


def test_a_text_that_changes_good_words_is_not_taken_for_a_hole(call: Samples) -> None:
    """The words round it were not in doubt: most of them must be in the new text."""
    first, gone = hole()
    before = max((each for each in first if each["start"] < gone[0]["start"]), key=lambda each: each["start"])
    stretched = before | {"end": gone[-1]["end"]}
    stretched["words"] = [*before["words"][:-1], before["words"][-1] | {"end": gone[-1]["end"]}]
    first = [stretched if each is before else each for each in first]
    other = timed("something else was heard here by the other pass", before["start"], before["end"])
    kept = passed_again(first, [before, *gone], call).quality.second_pass
    changed = passed_again(first, [other, *gone], call).quality.second_pass
    assert [each.taken for each in kept] == [True]
    assert [each.taken for each in changed] == [False]
    assert "of the words of the first" in changed[0].why


def test_text_is_removed_only_if_more_than_the_other_detection_is_against_it(call: Samples) -> None:
    """Silero misses quiet speech; of invented text the decoder is unsure, too."""
    silent = call.copy()
    silent[: 7 * SAMPLE_RATE] = 0
    sure, unsure = (timed("we will see about it", 1.0, 4.0, avg_logprob=logprob) for logprob in (-0.2, -1.5))
    later = [each for each in CALL if each["start"] > 7]
    kept, removed = (passed_again([each, *later], [], silent) for each in (sure, unsure))
    assert "we will see about it" in texts(kept.transcript.result["segments"])
    assert "no text, and not both" in kept.quality.second_pass[0].why
    assert removed.transcript.result["segments"] == later


@pytest.mark.parametrize(
    ("sentence", "heard", "why"),
    [
        ("they all call me a Yankee", "At least, you know, they all", "of speech, the first for"),
        ("I didn't know you were there", "", "no text"),
    ],
)
def test_a_few_words_are_not_lost(call: Samples, sentence: str, heard: str, why: str) -> None:
    """What is missing then is too short to be in doubt itself, but speech that had text has none."""
    unsure = [each | {"avg_logprob": -1.5} if sentence in each["text"] else each for each in CALL]
    (start,) = (each["start"] for each in unsure if each["avg_logprob"] == -1.5)
    second = passed_again(unsure, [timed(heard, start, start + 1.6)] if heard else [], call)
    (decision,) = second.quality.second_pass
    assert not decision.taken
    assert why in decision.why
    assert texts(second.transcript.result["segments"]) == texts(CALL)


@pytest.mark.parametrize("timed_first", [True, False])
def test_words_are_timed_in_all_segments_or_in_none(call: Samples, *, timed_first: bool) -> None:
    """An aligner may be loaded for one pass and not for the other; outputs are made of one kind of segments."""
    first, gone = hole()
    untimed = [[{k: v for k, v in each.items() if k != "words"} for each in part] for part in (first, gone)]
    second = passed_again(*((first, untimed[1]) if timed_first else (untimed[0], gone)), call)
    (decision,) = second.quality.second_pass
    assert not decision.taken
    assert "timed" in decision.why
    assert len({"words" in each for each in second.transcript.result["segments"]}) == 1


def doubting(*spans: tuple[float, float]) -> list[Finding]:
    """Return findings in these stretches."""
    return [Finding("invented", "odd", start, end) for start, end in spans]


def test_a_stretch_has_whole_segments_and_reaches_to_its_neighbours() -> None:
    """No segment is cut in two, and no two stretches overlap."""
    segments = segments_of({"segments": [timed("a b c d", start, start + 4) for start in (0.0, 10.0, 14.2)]}, "en")
    found = stretches_of(doubting((5.0, 9.8), (11.0, 12.0)), segments, 30.0)
    assert [(each.start, each.end) for each in found] == [(4.5, 10.0), (10.0, 14.2)]
    assert [each.doubts for each in found] == [["odd"], ["odd"]]
    assert stretches_of(doubting((20.0, 29.9)), segments, 30.0)[0].end == 30.0
    assert stretches_of(doubting(), segments, 30.0) == []


def test_the_number_and_length_of_stretches_is_bounded() -> None:
    """The longest first; the others are in the log of decisions with the reason."""
    many = stretches_of(doubting(*((10.0 * i, 10.0 * i + 1 + i / 100) for i in range(MOST + 3))), [], 1000.0)
    leave_excess(many)
    assert [each.left is None for each in many] == [False] * 3 + [True] * MOST
    long = stretches_of(doubting((0.0, MOST_S + 1), (700.0, 703.0)), [], 1000.0)
    leave_excess(long)
    assert "in doubt" in (long[0].left or "")
    assert long[1].left is None


def test_what_the_second_pass_made_is_read_from_the_store_as_it_was(call: Samples, tmp_path: Path) -> None:
    """Its stretches, and the texts with their decisions."""
    first, gone = hole()
    second = passed_again(first, gone, call)
    decoded = DecodedAgain("en", stretches_of(doubting((5.0, 9.0)), [], 30.0))
    store = result_store(str(tmp_path))
    for name, result in (("transcribe again", decoded), ("check again", second)):
        store.persist_result_record(store.create_result_record(result, key=f"{name}/v2/1-2"))
        assert StoredResult(str(tmp_path), f"{name}/v2/1-2").read() == result
