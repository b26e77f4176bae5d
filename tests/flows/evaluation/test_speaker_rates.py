"""flows/evaluation/speaker_rates.py: its figures are those of MeetEval."""

import json
from importlib.util import find_spec
from typing import Any

import pytest
from meeteval_figures import COLLARS, FIGURES, figures

from flows.evaluation.speaker_rates import PlacedWord, cpwer, tcpwer, timed_distance
from flows.evaluation.transcripts.recording import Segment, in_order


def segments(seglst: list[dict[str, Any]]) -> tuple[Segment, ...]:
    """Return the segments in the order of their times."""
    return in_order([Segment(each["words"], each["start_time"], each["end_time"], each["speaker"]) for each in seglst])


def test_the_figures_are_those_of_meeteval() -> None:
    """Of some 60 conversations of up to four speakers, who interrupt each other."""
    stored = json.loads(FIGURES.read_text())
    assert len(stored) > 50
    for each in stored:
        sides = segments(each["reference"]), segments(each["hypothesis"])
        rate = cpwer(*sides)
        timed = [tcpwer(*sides, collar) for collar in COLLARS]
        assert (rate.errors, rate.length) == (each["cpwer"], each["words"])
        assert [one.errors for one in timed] == each["tcpwer"]
    # The collars and the speakers matter in them.
    assert sum(each["cpwer"] < each["tcpwer"][2] for each in stored) > 3
    assert sum(each["tcpwer"][2] < each["tcpwer"][0] for each in stored) > 20


@pytest.mark.skipif(not find_spec("meeteval"), reason="MeetEval needs a compiler to install")
def test_the_stored_figures_are_those_that_meeteval_gives_today() -> None:
    """Where somebody has installed it."""
    assert figures() == json.loads(FIGURES.read_text())


def test_words_at_other_times_are_not_matched() -> None:
    """Each is missing here and one too many there."""
    early, late = PlacedWord("so", 0.0, 1.0), PlacedWord("so", 1.0, 2.0)
    assert timed_distance([early], [early]) == 0
    assert timed_distance([early], [late]) == 2
    assert timed_distance([early, late], []) == 2
    assert timed_distance([], [early, late]) == 2
