"""flows/evaluation/scoring.py: figures are those of jiwer and pyannote.metrics; what needs what."""

import random

import jiwer
import pytest
from pyannote.core import Annotation
from pyannote.core import Segment as Span
from pyannote.metrics.diarization import DiarizationErrorRate
from whisper_normalizer.basic import BasicTextNormalizer
from whisper_normalizer.english import EnglishTextNormalizer

from flows.evaluation.rates import Rate, total
from flows.evaluation.scoring import Collars, Score, score
from flows.evaluation.transcripts.pairing import Pair
from flows.evaluation.transcripts.recording import Recording, Segment, Turn

HELLO = Segment("Well, it's twenty past six.", 0.0, 2.0, "A")
RIGHT = Recording((HELLO, Segment("Good-bye Mr. Brown!", 2.5, 4.0, "B")), language="en")
HEARD = Recording((HELLO, Segment("good bye Mister Braun", 2.5, 4.0, "B")), language="en")


def scored(hypothesis: Recording, reference: Recording, language: str | None = None) -> Score:
    """Return the score, with collars of 5 s and 0.25 s."""
    return score(Pair("a", hypothesis, reference), language, Collars(5.0, 0.25))[0]


def test_word_and_character_rates_are_those_of_jiwer() -> None:
    """For texts that were normalized by Whisper's normalizer; what sounds the same is no error."""
    normalize = EnglishTextNormalizer()
    texts = [" ".join(segment.text for segment in side.segments or ()) for side in (RIGHT, HEARD)]
    reference, hypothesis = (normalize(text).strip() for text in texts)
    found = scored(HEARD, RIGHT)
    assert found.rates["wer"].value == jiwer.wer(reference, hypothesis) == 1 / 10
    assert found.rates["cer"].value == jiwer.cer(reference, hypothesis)
    assert found.rates["wer"].kinds == {"substitutions": 1, "deletions": 0, "insertions": 0}
    assert found.normalizer.endswith("(English)")
    assert scored(RIGHT, RIGHT).rates["wer"].value == 0


def test_languages_without_spaces_are_compared_by_characters() -> None:
    """As in the paper on Whisper; the character error rate counts no spaces."""
    reference, hypothesis = "今日は、雨です。", "今日は雪です"
    normalize = BasicTextNormalizer(split_letters=True)
    found = scored(Recording((Segment(hypothesis),), language="ja"), Recording((Segment(reference),)))
    assert found.rates["wer"].value == jiwer.wer(normalize(reference), normalize(hypothesis)) == 1 / 6
    assert found.rates["cer"].value == 1 / 6
    assert found.normalizer.endswith("(basic, by characters)")


def test_vowel_signs_count() -> None:
    """Whisper's own normalizer drops those of Indic scripts, and so takes different words for the same."""
    found = scored(Recording((Segment("कि"),)), Recording((Segment("की"),)), language="hi")
    assert found.rates["wer"].value == 1
    assert BasicTextNormalizer()("कि") == BasicTextNormalizer()("की")


@pytest.mark.parametrize("collar", [0.0, 0.25])
def test_the_diarization_error_rate_is_that_of_pyannote_metrics(collar: float) -> None:
    """Whose collar has both sides of a boundary in it; of several files it is the rate of all their speech."""
    chance = random.Random(1)
    metric, rates = DiarizationErrorRate(collar=2 * collar), []
    for _ in range(10):
        turns = [
            Turn(start, start + chance.uniform(0.3, 4), chance.choice("ABC"))
            for start in (chance.uniform(0, 30) for _ in range(8))
        ]
        moved = [turn._replace(start=turn.start + 0.2, speaker=turn.speaker.lower()) for turn in turns[1:]]
        sides = [Annotation(), Annotation()]
        for side, said in zip(sides, (turns, moved), strict=True):
            for i, turn in enumerate(said):
                side[Span(turn.start, turn.end), i] = turn.speaker
        pair = Pair("a", Recording(turns=tuple(moved)), Recording(turns=tuple(turns)))
        rates.append(score(pair, None, Collars(der_s=collar))[0].rates)
        assert rates[-1]["der"].value == pytest.approx(metric(*sides), abs=1e-9)
    assert total(rates)["der"].value == pytest.approx(abs(metric), abs=1e-9)
    assert 0 < abs(metric) < 1


def test_each_measure_needs_what_it_compares() -> None:
    """Text for words, speakers for cpWER, and times for tcpWER and DER; turns of an RTTM come before segments'."""
    text = Recording((Segment("so it is"),))
    untimed = Recording((Segment("so it", speaker="A"), Segment("is", speaker="B")))
    turns = Recording(turns=(Turn(0.0, 1.0, "A"),))
    assert list(scored(RIGHT, RIGHT).rates) == ["wer", "cer", "cpwer", "tcpwer", "der"]
    assert list(scored(text, RIGHT).rates) == ["wer", "cer"]
    assert list(scored(untimed, RIGHT).rates) == ["wer", "cer", "cpwer"]
    assert list(scored(RIGHT, turns).rates) == list(scored(turns, RIGHT).rates) == ["der"]
    assert scored(Recording(()), RIGHT).rates["wer"].value == 1
    silent = Recording(RIGHT.segments, turns=())
    assert scored(silent, RIGHT).rates["der"].value == 1


def test_rates_add_up_by_length() -> None:
    """A long file counts more; one without a measure does not count in it."""
    short, long = Rate(1, {"deletions": 1, "insertions": 0}), Rate(99, {"deletions": 0, "insertions": 9})
    both = total([{"wer": short}, {"wer": long, "der": Rate(2.5, {"missed": 0.5})}])
    assert (both["wer"].value, both["wer"].kinds) == (0.1, {"deletions": 1, "insertions": 9})
    assert both["der"].value == 0.2
