"""How alike two voices must be to be of one person: limits on the cosine, for each embedding model."""

from collections.abc import Iterable
from typing import NamedTuple

from tasks.errors import InvalidInput

SURE_S = 10.0
"""Voices from less speech are never matched for sure: of 3 s, one person's can differ as much as two persons'."""


class Limits(NamedTuple):
    """Cosines from which a speaker is `named`, and from which the name is `suggested` for a person to decide."""

    named: float
    suggested: float


CAMPPLUS = "48fb24d6b291e2cc"
"""The embedding model of the pipeline `campplus`."""
LIMITS = {CAMPPLUS: Limits(named=0.65, suggested=0.55)}
"""By the digest of the embedding model's weights. benchmarks/speakers.py computes them, and the error rates."""


def check_limits(models: Iterable[str], limits: Limits | None) -> None:
    """Raise InvalidInput if voices are of embedding models for which no limits are known, unless limits are given."""
    unknown = set(models) - LIMITS.keys()
    if unknown and limits is None:
        raise InvalidInput(
            "how alike two voices of one person are has not been measured for the embedding model "
            f"{', '.join(sorted(unknown)) or '(not known)'}: measure it, as docs/speakers.md says under 'Limits of "
            "another model', and set --speaker_limits"
        )


def parse_limits(text: str) -> Limits:
    """Return limits from two numbers, separated by a comma. Raises ValueError."""
    try:
        named, suggested = (float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"{text!r}: two cosines are needed, such as 0.65,0.55") from None
    if not -1 <= suggested <= named <= 1:
        raise ValueError(f"{text!r}: from -1 to 1, the first not smaller than the second")
    return Limits(named, suggested)
