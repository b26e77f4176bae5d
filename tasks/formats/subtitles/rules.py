"""The rules that readable subtitles keep."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rules:
    """Limits of a cue, from the Netflix Timed Text Style Guides, which those of the BBC and others resemble.

    Widths are in columns: Chinese, Japanese and Korean characters take two.
    """

    max_cps: float = 17
    """Characters a second, with spaces and the speaker's label (Netflix: 17, for English by now 20)."""
    max_line_width: float = 42
    max_line_count: float = 2
    min_duration: float = 0.833
    """Seconds: five sixths."""
    max_duration: float = 7
    min_gap: float = 0.084
    """Seconds between two cues: two frames at 24 frames a second."""


LIMITS: dict[str, tuple[float, float]] = {
    "max_cps": (1, 1000),
    "max_line_width": (20, 200),
    "max_line_count": (1, 3),
    "min_duration": (0.1, 5),
    "max_duration": (1, 60),
    "min_gap": (0, 2),
}
"""The smallest and the largest value of each rule."""
WHOLE = {"max_line_width", "max_line_count"}
BY_LANGUAGE: dict[str, dict[str, float]] = {
    "ja": {"max_cps": 7, "max_line_width": 26},
    "ko": {"max_cps": 12, "max_line_width": 32},
    "th": {"max_line_width": 35},
    "yue": {"max_cps": 9, "max_line_width": 32},
    "zh": {"max_cps": 9, "max_line_width": 32},
}
"""What the guides of these languages have instead (Japanese: the speed for the deaf, who read what is said)."""


def parse(text: str) -> dict[str, float]:
    """Return the rules that a value of `--subtitles` names: `readable`, `max_cps=20,min_gap=0`, or both.

    Raises ValueError.
    """
    named: dict[str, float] = {}
    for part in text.split(","):
        name, given, value = (each.strip() for each in part.partition("="))
        if name == "readable" and not given:
            continue
        if name not in LIMITS:
            raise ValueError(f"{part.strip()!r}: it is `readable`, or rules such as max_cps=20: {', '.join(LIMITS)}")
        try:
            named[name] = float(value)
        except ValueError:
            raise ValueError(f"{part.strip()!r}: {name} is a number") from None
        least, most = LIMITS[name]
        if not least <= named[name] <= most or (name in WHOLE and named[name] % 1):
            number = "a whole number" if name in WHOLE else "a number"
            raise ValueError(f"{part.strip()!r}: {name} is {number} from {least:g} to {most:g}")
    rules = Rules(**named)
    if rules.max_duration < 2 * rules.min_duration:
        raise ValueError(f"max_duration {rules.max_duration:g} is less than twice min_duration {rules.min_duration:g}")
    return named


def rules_for(language: str, named: Mapping[str, float]) -> Rules:
    """Return the rules for a language, with those that were named."""
    return Rules(**{**BY_LANGUAGE.get(language, {}), **named})
