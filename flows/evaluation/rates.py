"""Error rates that can be added up over files."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

MEASURES = ("wer", "cer", "cpwer", "tcpwer", "der")


@dataclass(frozen=True)
class Rate:
    """Errors by kind, and how many words, characters or seconds there are in the reference."""

    length: float
    kinds: Mapping[str, float]

    @property
    def errors(self) -> float:
        """All errors."""
        return sum(self.kinds.values())

    @property
    def value(self) -> float:
        """The rate; where the reference is empty 1 if there are errors, else 0."""
        return self.errors / self.length if self.length else float(self.errors > 0)

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {"rate": self.value, "errors": self.errors, "length": self.length, **self.kinds}


Rates = Mapping[str, Rate]
"""By the measure; one that the files do not allow is missing."""


def total(rates: Iterable[Rates]) -> dict[str, Rate]:
    """Return the rates of several files as one: all errors by the length of all references."""
    kinds: dict[str, Counter[str]] = {}
    lengths: Counter[str] = Counter()
    for each in rates:
        for measure, rate in each.items():
            kinds.setdefault(measure, Counter()).update(rate.kinds)
            lengths[measure] += rate.length  # type: ignore[assignment] # seconds are no int
    return {measure: Rate(lengths[measure], dict(kinds[measure])) for measure in MEASURES if measure in kinds}
