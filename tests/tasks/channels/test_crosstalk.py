"""tasks/channels/crosstalk.py: what a microphone hears of another speaker is kept once, what two say is kept twice."""

import time
from typing import Any

import numpy as np
import pytest
from calls import Sound, at, call, noise, room, samples_of

from tasks.audio.types import SAMPLE_RATE
from tasks.channels.crosstalk import without_crosstalk

A, B = call()
Said = list[tuple[str, float]]
FOX: Said = [("The", 0.5), ("quick", 0.8), ("brown", 1.1), ("fox", 1.4), ("jumps.", 1.7)]


def result(*sentences: Said, shift_s: float = 0.0) -> dict[str, Any]:
    """Return WhisperX's result of sentences of words with their starts, each 0.25 s long."""
    segments = []
    for said in sentences:
        words = [{"word": word, "start": s + shift_s, "end": s + shift_s + 0.25, "score": 0.9} for word, s in said]
        text = " ".join(word for word, _ in said)
        segments.append({"start": words[0]["start"], "end": words[-1]["end"], "text": text, "words": words})
    return {"segments": segments, "word_segments": [word for each in segments for word in each["words"]]}


def speech(seconds: float, *pieces: tuple[float, Sound]) -> Sound:
    """Return faint noise with sounds from these seconds on."""
    sound = noise(round(seconds * SAMPLE_RATE), -65)
    for start, piece in pieces:
        first = round(start * SAMPLE_RATE)
        sound[first : first + len(piece)] += piece[: len(sound) - first]
    return sound


def texts(parts: list[dict[str, Any]]) -> list[list[str]]:
    """Return the texts of each part's segments."""
    return [[segment["text"] for segment in part["segments"]] for part in parts]


TALKED_OVER = ["I think the dog is out", "But see the cat is here"]
LOUD = A[np.flatnonzero(A)][: 3 * SAMPLE_RATE]
OTHER = B[np.flatnonzero(B)][: 3 * SAMPLE_RATE]
BESIDE = speech(4, (0.4, at(-20, LOUD)))
SPOKEN = speech(4, (0.4, LOUD))


def kept(parts: list[dict[str, Any]], *sounds: Sound, **more: Any) -> list[list[str]]:
    """Return the texts that are kept."""
    return texts(without_crosstalk(parts, [samples_of(sound) for sound in sounds], **more))


@pytest.mark.parametrize("shift_s", [0.0, 0.28, -0.28])
def test_the_same_words_are_kept_where_they_are_louder(shift_s: float) -> None:
    """Whichever part that is, in other cases and punctuation, a little earlier or later."""
    faint = result([("the", 0.5), ("quick,", 0.8), ("brown", 1.1), ("Fox", 1.4), ("jump", 1.7)], shift_s=shift_s)
    text = [["The quick brown fox jumps."], []]
    assert kept([result(FOX), faint], SPOKEN, BESIDE) == text
    assert kept([faint, result(FOX)], BESIDE, SPOKEN) == text[::-1]


def test_words_without_length_are_crosstalk_too() -> None:
    """Whisper's attention gives some none: the sound where they are said is compared."""
    short = result(FOX)
    for word in short["segments"][0]["words"]:
        word["end"] = word["start"]
    assert kept([short, short], SPOKEN, BESIDE) == [["The quick brown fox jumps."], []]


def test_words_at_other_times_are_not_crosstalk() -> None:
    """Somebody repeats softly what the other has said."""
    both = [result(FOX), result(FOX, shift_s=0.4)]
    assert kept(both, SPOKEN, BESIDE) == [["The quick brown fox jumps."]] * 2


def test_crosstalk_within_a_segment_is_cut_out_of_it() -> None:
    """The text, the times, the characters and the list of words are those of what is left."""
    own = [("Is", 2.0), ("it", 2.3), ("a", 2.6), ("cat", 2.9), ("or", 3.2), ("dog?", 3.5)]
    mixed = result([*FOX, *own])
    segment = mixed["segments"][0]
    segment["chars"] = [{"char": char} for char in segment["text"]]
    sound = BESIDE + speech(4, (2.0, OTHER))
    spoken = speech(4, (0.4, LOUD[: round(1.55 * SAMPLE_RATE)]))
    loud, cut = without_crosstalk([result(FOX), mixed], [samples_of(spoken), samples_of(sound)])
    assert texts([loud, cut]) == [["The quick brown fox jumps."], ["Is it a cat or dog?"]]
    (left,) = cut["segments"]
    assert (left["start"], left["end"]) == (2.0, 3.75)
    assert "".join(char["char"] for char in left["chars"]) == left["text"]
    assert cut["word_segments"] == left["words"]
    assert len(mixed["segments"][0]["words"]) == 11, "what is given stays as it is"


def test_words_that_whisper_heard_otherwise_go_with_the_crosstalk_around_them() -> None:
    """Unless nobody else speaks while they are said."""
    faint = [("The", 0.5), ("quiet", 0.8), ("brown", 1.1), ("fox", 1.4), ("jumps.", 1.7)]
    assert kept([result(FOX), result(faint)], SPOKEN, BESIDE)[1] == []
    later = [*faint, ("Yes.", 3.6)]
    assert kept([result(FOX), result(later)], SPOKEN, BESIDE)[1] == ["Yes."]


def test_two_who_say_the_same_at_once_are_both_kept() -> None:
    """About equally loud: within 6 dB. So are, however loud, single words that both have in sentences of their own."""
    yes, word = result([("Yes.", 0.6)]), slice(round(0.2 * SAMPLE_RATE), round(0.45 * SAMPLE_RATE))
    as_loud = OTHER * np.sqrt(np.mean(LOUD[word] ** 2) / np.mean(OTHER[word] ** 2))
    assert kept([yes, yes], SPOKEN, speech(4, (0.4, at(-5, as_loud)))) == [["Yes."], ["Yes."]]
    assert kept([yes, yes], SPOKEN, speech(4, (0.4, at(-7, as_loud)))) == [["Yes."], []], "as crosstalk would be"
    one, other = ([(word, 0.5 + 0.3 * n) for n, word in enumerate(text.split())] for text in TALKED_OVER)
    assert kept([result(one), result(other)], SPOKEN, speech(4, (0.4, at(-12, OTHER)))) == [
        [text] for text in TALKED_OVER
    ]


TALKED_OVER = ["I think the dog is out", "But see the cat is here"]


def test_a_channel_that_was_recorded_twice_is_kept_once() -> None:
    """Equally loud, and the samples are the same."""
    assert kept([result(FOX)] * 2, SPOKEN, SPOKEN) == [["The quick brown fox jumps."], []]
    assert kept([result(FOX)] * 3, SPOKEN, SPOKEN, at(-3, -SPOKEN)) == [["The quick brown fox jumps."], [], []]


def test_of_several_parts_the_loudest_keeps_the_words() -> None:
    """The others hear it, more or less softly, in a room."""
    sounds = [speech(4, (0.4, at(db, room(LOUD, db + 30)))) for db in (-15, 0, -10)]
    assert kept([result(FOX)] * 3, *sounds) == [[], ["The quick brown fox jumps."], []]


def test_times_are_those_of_the_recording() -> None:
    """A track that begins 5 s later hears the first at its own beginning."""
    late = result(FOX, shift_s=-0.5)
    sounds = speech(9, (5.4, LOUD)), BESIDE[SAMPLE_RATE // 2 :]
    parts = [result(FOX, shift_s=5), late]
    assert kept(parts, *sounds, offsets=[0.0, 5.5]) == [["The quick brown fox jumps."], []]
    assert kept(parts, *sounds) == [["The quick brown fox jumps."]] * 2


def test_text_without_timed_words_is_removed_by_the_segment() -> None:
    """Nothing has timed the words of one part, or of both."""
    whole = {"segments": [{"start": 0.4, "end": 2.2, "text": " The quick brown fox jumps."}]}
    assert kept([result(FOX), whole], SPOKEN, BESIDE)[1] == []
    assert kept([whole, whole], SPOKEN, BESIDE) == [[" The quick brown fox jumps."], []]
    own = {"segments": [{"start": 0.4, "end": 3.9, "text": "The quick brown fox jumps, is it a cat or a dog?"}]}
    assert kept([whole, own], SPOKEN, BESIDE)[1] == [own["segments"][0]["text"]]


def test_numbers_without_times_go_with_the_words_around_them() -> None:
    """WhisperX does not time digits if it is told to leave them."""
    counted = result([("Take", 0.5), ("2", 0.8), ("of", 1.1), ("them", 1.4)])
    del counted["segments"][0]["words"][1]["start"], counted["segments"][0]["words"][1]["end"]
    assert kept([counted, counted], SPOKEN, BESIDE) == [["Take 2 of them"], []]


def test_without_words_or_samples_nothing_is_removed() -> None:
    """Of a silent channel, and of words that begin after the end of the samples."""
    empty: dict[str, Any] = {"segments": []}
    assert kept([empty, result(FOX)], SPOKEN, BESIDE) == [[], ["The quick brown fox jumps."]]
    assert kept([result(FOX), result(FOX)], SPOKEN[:0], BESIDE[:0]) == [["The quick brown fox jumps."]] * 2


@pytest.mark.parametrize("timed", [True, False])
def test_hours_of_crosstalk_are_gone_through_in_seconds(timed: bool) -> None:  # noqa: FBT001
    """Seven thousand words in each of two parts, or as many in segments of 30 s that nothing has timed."""
    sounds = [np.resize(samples_of(at(db, LOUD[: 2 * SAMPLE_RATE])), 3_000 * SAMPLE_RATE) for db in (0, -15)]
    part = result(*([(word, 2 * n + at_s) for word, at_s in FOX] for n in range(1_400)))
    if not timed:
        text = " ".join(word for word, _ in FOX * 15)
        part = {"segments": [{"start": 30.0 * n, "end": 30.0 * n + 29, "text": text} for n in range(93)]}
    began = time.process_time()
    loud, faint = without_crosstalk([part, part], sounds)
    assert time.process_time() - began < 10
    assert (len(loud["segments"]), len(faint["segments"])) == (len(part["segments"]), 0)
