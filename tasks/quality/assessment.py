"""What report and ledger keep of the check of a file."""

from typing import NotRequired, TypedDict

from tasks.quality.transcript import shortened
from tasks.quality.verdict import WRONG_TEXT, Decision, Quality

LISTED = 20
"""At most so many findings are kept, the worst; the format `quality` has all of them."""


class Listed(TypedDict):
    """A finding that is worth an ear; without times it concerns the whole file."""

    kind: str
    why: str
    start: float | None
    end: float | None
    text: str


class Decided(TypedDict):
    """What the second pass has made of a stretch, with the beginnings of both texts."""

    start: float
    end: float
    taken: bool
    why: str
    doubts: list[str]
    before: str
    after: str


class Assessment(TypedDict):
    """The verdict on a file and its reasons; `key` is that of the check's result, which stands for its limits."""

    verdict: str
    reasons: list[str]
    speech_s: float
    covered_s: float
    listed: list[Listed]
    second_pass: NotRequired[list[Decided]]
    """Missing if there was none."""
    key: str


def assess(quality: Quality, key: str) -> Assessment:
    """Return what is kept of a check with this key."""
    assessment = Assessment(
        verdict=quality.verdict,
        reasons=quality.reasons,
        speech_s=quality.speech_s,
        covered_s=quality.covered_s,
        listed=[
            Listed(kind=each.kind, why=each.reason, start=each.start, end=each.end, text=each.text)
            for each in quality.findings[:LISTED]
        ],
        key=key,
    )
    if quality.second_pass:
        assessment["second_pass"] = list(map(_decided, quality.second_pass[:LISTED]))
    return assessment


def may_be_mended(assessment: Assessment) -> bool:
    """Return whether the check doubts any text that a second pass may mend; findings that are not listed may be."""
    listed = assessment["listed"]
    return len(listed) >= LISTED or any(each["kind"] in WRONG_TEXT and each["start"] is not None for each in listed)


def _decided(decision: Decision) -> Decided:
    return Decided(
        start=decision.start,
        end=decision.end,
        taken=decision.taken,
        why=decision.reason,
        doubts=decision.doubts,
        before=shortened(decision.before),
        after=shortened(decision.after),
    )
