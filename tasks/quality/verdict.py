"""The verdict on a file: all findings of the rules, and whether they are many."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

from tasks.quality.coverage import Coverage
from tasks.quality.spans import Span, seconds, union
from tasks.quality.transcript import Finding, with_speaker

Verdict = Literal["good", "check", "bad"]

DECISION = "second pass"
"""The kind of a decision on the listening list."""
WEIGHTS = {
    **dict.fromkeys(("missing", "invented", "language"), 1.0),
    **dict.fromkeys(("timing", "speakers", "sound", DECISION), 0.3),
}
"""How much a second of each kind of finding matters in the order of what is worth an ear. Chosen: wrong text harms more
than a wrong time or speaker."""
WRONG_TEXT = frozenset(("missing", "invented", "language"))
"""The kinds that can make a file bad."""
LEAST_SPEECH_S = 1.0
"""Shares are those of so much speech at least."""


@dataclass(frozen=True)
class Decoded:
    """A piece of text from the second pass, in seconds, and what its decoder says of it."""

    start: float
    end: float
    text: str
    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float
    temperature: float


@dataclass(frozen=True)
class Decision:
    """A stretch that the check doubted, in seconds, and whether the text of the second pass was taken for it."""

    start: float
    end: float
    doubts: list[str]
    taken: bool
    why: str
    before: str
    """The text of the first pass."""
    after: str
    """The text of the second pass."""
    decoded: list[Decoded]
    speaker: str | None = None
    """Whose channel or track it is in; None if the recording was transcribed in one piece."""

    @property
    def reason(self) -> str:
        """Why, with the speaker."""
        return with_speaker(self.speaker, self.why)

    def moved(self, seconds: float) -> "Decision":
        """Return it so many seconds later."""
        return replace(_later(self, seconds), decoded=[_later(each, seconds) for each in self.decoded])


Timed = TypeVar("Timed", Decoded, Decision)


def _later(each: Timed, seconds: float) -> Timed:
    return replace(each, start=round(each.start + seconds, 3), end=round(each.end + seconds, 3))


@dataclass(frozen=True)
class Quality:
    """What the check has found of a file. `findings` are those of the rules, the worst first."""

    verdict: Verdict
    reasons: list[str]
    findings: list[Finding]
    speech_s: float
    """Seconds of speech that the second voice activity detection finds."""
    covered_s: float
    """How many of them have text."""
    second_pass: list[Decision] = field(default_factory=list)
    """What the second pass has decided, in order of time; the findings are those of the text that came of it."""


def judge(findings: Iterable[Finding], found: Coverage, *, check_share: float, bad_share: float) -> Quality:
    """Return the verdict on a file.

    `bad`: a grave finding, or missing and wrong text in more than `bad_share` of the speech. `check`: findings in more
    than `check_share` of it, those of the sound left aside, or any that concern the whole file. Otherwise `good`: a few
    stretches may still be listed.
    """
    ordered = sorted(map(_rounded, findings), key=worst_first)
    speech_s = max(found.speech_s, LEAST_SPEECH_S)
    whole = [finding for finding in ordered if finding.start is None]
    wrong = _doubtful(finding for finding in ordered if finding.kind in WRONG_TEXT)
    verdict: Verdict = "good"
    if any(finding.grave for finding in whole) or wrong > bad_share * speech_s:
        verdict = "bad"
    elif whole or _doubtful(each for each in ordered if each.kind != "sound") > check_share * speech_s:
        verdict = "check"
    return Quality(verdict, list(_reasons(ordered)), ordered, round(found.speech_s, 2), round(found.covered_s, 2))


def with_names(quality: Quality, names: Mapping[str, str]) -> Quality:
    """Return a check with names in place of the labels of speakers."""
    findings = [replace(each, speaker=names.get(each.speaker or "", each.speaker)) for each in quality.findings]
    decisions = [replace(each, speaker=names.get(each.speaker or "", each.speaker)) for each in quality.second_pass]
    return replace(quality, findings=findings, reasons=list(_reasons(findings)), second_pass=decisions)


def worst_first(finding: Finding) -> tuple[bool, float, float]:
    """Return the key that sorts findings: what concerns the whole file, then by weight and length, then by time."""
    return finding.start is not None, -WEIGHTS[finding.kind] * finding.seconds, finding.start or 0.0


def _doubtful(findings: Iterable[Finding]) -> float:
    """Return how many seconds are in doubt, where several speak at once those of each."""
    spans: dict[str | None, list[Span]] = {}
    for each in findings:
        if each.start is not None and each.end is not None:
            spans.setdefault(each.speaker, []).append((each.start, each.end))
    return sum(seconds(union(of_speaker)) for of_speaker in spans.values())


def _rounded(finding: Finding) -> Finding:
    if finding.start is None or finding.end is None:
        return finding
    return replace(finding, start=round(max(finding.start, 0.0), 2), end=round(finding.end, 2))


def _reasons(ordered: list[Finding]) -> Iterable[str]:
    """Yield what concerns the whole file, then a line for each kind of stretch: how many, and the worst of them."""
    yield from (finding.reason for finding in ordered if finding.start is None)
    stretches = [finding for finding in ordered if finding.start is not None]
    for kind, count in Counter(finding.kind for finding in stretches).items():
        worst = next(finding for finding in stretches if finding.kind == kind)
        more = f" and {count - 1} more" if count > 1 else ""
        yield f"{kind}: {worst.reason} at {clock(worst.start or 0.0)}{more}"


def clock(at_s: float) -> str:
    """Return a time as players show it: 0:00:09."""
    whole = int(at_s)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
