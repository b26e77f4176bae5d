"""What report and ledger keep of the check of a file."""

from typing import TypedDict

from tasks.quality.verdict import Quality

LISTED = 20
"""At most so many findings are kept, the worst; the format `quality` has all of them."""


class Listed(TypedDict):
    """A finding that is worth an ear; without times it concerns the whole file."""

    kind: str
    why: str
    start: float | None
    end: float | None
    text: str


class Assessment(TypedDict):
    """The verdict on a file and its reasons; `key` is that of the check's result, which stands for its limits."""

    verdict: str
    reasons: list[str]
    speech_s: float
    covered_s: float
    listed: list[Listed]
    key: str


def assess(quality: Quality, key: str) -> Assessment:
    """Return what is kept of a check with this key."""
    return Assessment(
        verdict=quality.verdict,
        reasons=quality.reasons,
        speech_s=quality.speech_s,
        covered_s=quality.covered_s,
        listed=[
            Listed(kind=each.kind, why=each.why, start=each.start, end=each.end, text=each.text)
            for each in quality.findings[:LISTED]
        ],
        key=key,
    )
