"""Scores transcripts against their references."""

from dataclasses import dataclass

from flows.evaluation.diarization_rate import der
from flows.evaluation.normalization import Normalizer, normalizer_of
from flows.evaluation.rates import Rate, Rates
from flows.evaluation.speaker_rates import cpwer, tcpwer
from flows.evaluation.transcripts.pairing import Pair
from flows.evaluation.transcripts.recording import Recording


@dataclass(frozen=True)
class Collars:
    """How far times may be off, in seconds: of words for tcpWER, of speaker changes, on each side, for DER."""

    tcpwer_s: float = 5.0
    """As in the CHiME challenges."""
    der_s: float = 0.0


@dataclass(frozen=True)
class Chunk:
    """Words of the reference and what the transcript has for them; `kind` is jiwer's: equal, substitute and so on."""

    kind: str
    reference: list[str]
    hypothesis: list[str]


@dataclass(frozen=True)
class Score:
    """The error rates of one file."""

    name: str
    language: str | None
    normalizer: str
    rates: Rates


def score(pair: Pair, language: str | None, collars: Collars) -> tuple[Score, list[Chunk]]:
    """Score one file by every measure that its formats allow, and return its words side by side.

    `language` is that of files that do not say theirs.
    """
    language = pair.hypothesis.language or pair.reference.language or language
    normalizer = normalizer_of(language)
    rates: dict[str, Rate] = {}
    chunks: list[Chunk] = []
    reference, hypothesis = (words_of(each, normalizer) for each in (pair.reference, pair.hypothesis))
    if reference and hypothesis is not None:
        rates["wer"], chunks = compared(reference, hypothesis)
        rates["cer"] = _cer(normalizer.characters(reference), normalizer.characters(hypothesis))
        rates |= _by_speakers(pair, normalizer, collars)
    turns, found = pair.reference.speaker_turns(), pair.hypothesis.speaker_turns()
    if turns and found is not None and (rate := der(turns, found, collars.der_s)):
        rates["der"] = rate
    return Score(pair.name, language, normalizer.name, rates), chunks


def words_of(recording: Recording, normalizer: Normalizer) -> list[str] | None:
    """Return all words of a recording; None if it has no text, but speaker turns."""
    if recording.segments is None:
        return None
    return normalizer.words(" ".join(segment.text for segment in recording.segments))


def compared(reference: list[str], hypothesis: list[str]) -> tuple[Rate, list[Chunk]]:
    """Return the word error rate, and the words of both side by side."""
    import jiwer

    # In one line each: jiwer takes lists of words for lists of sentences.
    found = jiwer.process_words([" ".join(reference)], [" ".join(hypothesis)])
    kinds = {"substitutions": found.substitutions, "deletions": found.deletions, "insertions": found.insertions}
    chunks = [
        Chunk(
            part.type,
            reference[part.ref_start_idx : part.ref_end_idx],
            hypothesis[part.hyp_start_idx : part.hyp_end_idx],
        )
        for part in found.alignments[0]
    ]
    return Rate(len(reference), kinds), chunks


def _cer(reference: str, hypothesis: str) -> Rate:
    import jiwer

    found = jiwer.process_characters([reference], [hypothesis])
    kinds = {"substitutions": found.substitutions, "deletions": found.deletions, "insertions": found.insertions}
    return Rate(len(reference), kinds)


def _by_speakers(pair: Pair, normalizer: Normalizer, collars: Collars) -> dict[str, Rate]:
    """Return cpWER if both sides have speakers, and tcpWER if both have times, too."""
    sides = pair.reference, pair.hypothesis
    if not all(side.has_speakers for side in sides):
        return {}
    reference, hypothesis = (
        [part._replace(text=normalizer.normalized(part.text)) for part in side.segments or ()] for side in sides
    )
    rates = {"cpwer": cpwer(reference, hypothesis)}
    if all(side.is_timed for side in sides):
        rates["tcpwer"] = tcpwer(reference, hypothesis, collars.tcpwer_s)
    return rates
