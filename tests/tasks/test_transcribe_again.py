"""tasks/transcribe_again.py with a real model: what is decoded of a stretch, and what is not."""

from typing import Any

import numpy as np
import pytest
from conftest import SAMPLES, TWO_SPEAKERS

from tasks.audio.decoding import decode
from tasks.audio.types import Audio, Samples
from tasks.models.compute_limits import compute_limits
from tasks.models.options import ModelOptions
from tasks.quality.transcript import Finding, Kind
from tasks.quality.verdict import Quality
from tasks.second_pass.stretches import Stretch
from tasks.transcribe import TranscribeOptions, Transcript
from tasks.transcribe_again import DecodedAgain, SecondPassOptions, decode_again

CPU = ModelOptions(device="cpu", threads=1)


def all_passed_again(
    samples: Samples,
    model: str,
    start: float,
    end: float,
    kind: Kind = "missing",
    language: str | None = "en",
    second_model: str | None = None,
) -> DecodedAgain:
    """Return what is decoded if the check doubts a stretch of a file that has no text."""
    compute_limits.configure(parallel=1, threads=1)
    first = TranscribeOptions(
        model=model, compute_type="int8", language=language, initial_prompt="A call.", suppress_numerals=True
    )
    transcript = Transcript(language or "en", {"segments": []})
    quality = Quality("check", ["odd"], [Finding(kind, "odd", start, end)], 10.0, 0.0)
    return decode_again(transcript, quality, Audio(samples), first, SecondPassOptions(second_model=second_model), CPU)


def passed_again(*args: Any, **options: Any) -> Stretch:
    """Return that stretch."""
    (stretch,) = all_passed_again(*args, **options).stretches
    return stretch


def test_a_stretch_is_heard_with_what_is_around_it_and_keeps_its_own_words(tiny_en: str) -> None:
    """With what the decoder says of each piece, which lie one after another inside the stretch."""
    stretch = passed_again(decode(str(TWO_SPEAKERS)), tiny_en, 13.2, 17.6)
    text = " ".join(piece.text.strip() for piece in stretch.decoded)
    assert "New Jersey" in text
    assert "Chicago" in text
    assert "beep" not in text
    assert "also" not in text
    times = [time for piece in stretch.decoded for time in (piece.start, piece.end)]
    assert [stretch.start, *times, stretch.end] == sorted([stretch.start, *times, stretch.end])
    assert all(-1 < piece.avg_logprob < 0 and 0 <= piece.no_speech_prob < 0.6 for piece in stretch.decoded)
    assert {piece.temperature for piece in stretch.decoded} == {0.0}


@pytest.mark.parametrize("seconds", [0.01, 20.0])
def test_where_nobody_speaks_nothing_is_decoded(tiny_en: str, seconds: float) -> None:
    """Neither of noise nor of hardly any sound at all."""
    noise = (np.random.default_rng(1).standard_normal(int(seconds * 16_000)) * 300).astype(np.int16)
    assert passed_again(noise, tiny_en, 0.0, seconds).decoded == []


def test_a_passage_in_another_language_stays_as_it_is(base: str) -> None:
    """Told the language of the file, Whisper would translate it; in the file's own language it is decoded."""
    french = decode(str(SAMPLES / "fr" / "pangrama.wav"))
    told_english = passed_again(french, base, 0.0, 2.5, "language")
    assert (told_english.left, told_english.decoded) == ("Whisper hears 'fr' there", [])
    assert passed_again(french, base, 0.0, 2.5, "language", "fr").decoded


def test_where_the_first_pass_heard_nothing_the_language_is_detected(base: str) -> None:
    """It was not before, for want of speech."""
    french = decode(str(SAMPLES / "fr" / "pangrama.wav"))
    found = all_passed_again(french, base, 0.0, 2.5, language=None)
    assert found.language == "fr"
    assert found.transcript.result["segments"]


def test_a_model_that_knows_english_alone_decodes_no_other_language(tiny_en: str, base: str) -> None:
    """As `--second_model` it may be one; another that knows the language decodes it."""
    french = decode(str(SAMPLES / "fr" / "pangrama.wav"))
    assert all_passed_again(french, base, 0.0, 2.5, language=None, second_model=tiny_en).language == "en"
    stretch = passed_again(french, tiny_en, 0.0, 2.5, language="fr")
    assert (stretch.left, stretch.decoded) == ("the model of the second pass knows English alone", [])
    assert passed_again(french, tiny_en, 0.0, 2.5, language="fr", second_model=base).decoded
