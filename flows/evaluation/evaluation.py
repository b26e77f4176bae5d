"""The scores of all files, as tables and as JSON."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from flows.evaluation.plural import counted
from flows.evaluation.rates import MEASURES, Rates, total
from flows.evaluation.scoring import Chunk, Collars, Score
from tasks.errors import one_line

WORST = 50
"""Of so many files the words are kept side by side, for the page."""
UNKNOWN = "unknown"


class Row(NamedTuple):
    """A row of a table: what it is about, the words of its references, and its error rates as text."""

    label: str
    words: str
    rates: list[str]


@dataclass
class Evaluation:
    """What is known of all files; `problems` are references and transcripts that could not be scored."""

    collars: Collars
    problems: list[str]
    scores: list[Score] = field(default_factory=list)
    worst: list[tuple[Score, list[Chunk]]] = field(default_factory=list)
    """The files with the highest word error rates, and their words side by side."""

    def add(self, score: Score, chunks: list[Chunk]) -> None:
        """Add a file; one that no measure could be computed for is a problem."""
        if not score.rates:
            lacking = "neither text in both nor speakers with times in both"
            self.problems.append(f"{score.name}: there is nothing to compare: {lacking}")
            return
        self.scores.append(score)
        if chunks:
            self.worst.append((score, chunks))
            self.worst.sort(key=lambda each: -each[0].rates["wer"].value)
            del self.worst[WORST:]

    @property
    def headers(self) -> dict[str, str]:
        """The titles of the measures that some file has; times are compared within collars, which are named."""
        titles = {
            "wer": "WER",
            "cer": "CER",
            "cpwer": "cpWER",
            "tcpwer": f"tcpWER (collar {self.collars.tcpwer_s:g} s)",
            "der": f"DER (collar {self.collars.der_s:g} s)",
        }
        return {each: titles[each] for each in MEASURES if any(each in score.rates for score in self.scores)}

    @property
    def normalizers(self) -> list[str]:
        """What the texts were normalized by."""
        return sorted({score.normalizer for score in self.scores})

    def files(self) -> list[Row]:
        """Return a row for each file, the highest word error rate first."""
        ordered = sorted(self.scores, key=lambda score: (-_rate(score.rates), score.name))
        return [self._row(one_line(score.name), score.rates) for score in ordered]

    def languages(self) -> list[Row]:
        """Return a row for each language, and one for all files."""
        named = {language: _counted(language, scores) for language, scores in self._by_language().items()}
        rows = [self._row(named[each], _total(scores)) for each, scores in self._by_language().items()]
        return [*(rows if len(rows) > 1 else []), self._row(_counted("all", self.scores), _total(self.scores))]

    def as_dict(self) -> dict[str, Any]:
        """Return everything for JSON."""
        return {
            "collars_s": {"tcpwer": self.collars.tcpwer_s, "der": self.collars.der_s},
            "files": [
                {
                    "name": score.name,
                    "language": score.language,
                    "normalizer": score.normalizer,
                    **_as_dict(score.rates),
                }
                for score in self.scores
            ],
            "languages": {each: _as_dict(_total(scores)) for each, scores in self._by_language().items()},
            "all": _as_dict(_total(self.scores)),
            "problems": self.problems,
        }

    def _by_language(self) -> dict[str, list[Score]]:
        languages = sorted({score.language or UNKNOWN for score in self.scores})
        return {each: [one for one in self.scores if (one.language or UNKNOWN) == each] for each in languages}

    def _row(self, label: str, rates: Rates) -> Row:
        words = f"{rates['wer'].length:,.0f}" if "wer" in rates else "–"
        return Row(label, words, [f"{rates[each].value:.1%}" if each in rates else "–" for each in self.headers])


def _total(scores: Iterable[Score]) -> dict[str, Any]:
    return total(score.rates for score in scores)


def _as_dict(rates: Rates) -> dict[str, Any]:
    return {measure: rate.as_dict() for measure, rate in rates.items()}


def _rate(rates: Rates) -> float:
    """Return what files are sorted by."""
    first = next((rates[measure] for measure in MEASURES if measure in rates), None)
    return first.value if first else 0.0


def _counted(label: str, scores: list[Score]) -> str:
    return f"{label} ({counted(len(scores), 'file')})"
