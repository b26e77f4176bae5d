"""Writes tests/data/evaluation/meeteval.json: conversations, and MeetEval's figures for them.

MeetEval needs a C++ compiler to install, so it is no dependency. To make the file again:

    uv pip install meeteval && python tests/meeteval_figures.py
"""

import json
import random
from pathlib import Path
from typing import Any

FIGURES = Path(__file__).parent / "data" / "evaluation" / "meeteval.json"
WORDS = "a the one yes no hello there well so what now evening recording interesting".split()
COLLARS = (0.2, 1.0, 5.0)


def conversation(seed: int) -> list[list[dict[str, Any]]]:
    """Return a reference and a transcript of it: words are wrong, missing or moved, speakers mixed up, one too many."""
    chance = random.Random(seed)
    speakers = [f"s{i}" for i in range(chance.randint(1, 4))]
    reference, hypothesis, clock = [], [], 0.0
    for _ in range(chance.randint(1, 12)):
        clock = max(0.0, clock + chance.uniform(-1.5, 3))
        end = clock + chance.uniform(0.1, 4)
        words = [chance.choice(WORDS) for _ in range(chance.randint(0, 9))]
        speaker = chance.choice(speakers)
        reference.append(segment(words, clock, end, speaker))
        heard = [chance.choice(WORDS) if chance.random() < 0.2 else word for word in words if chance.random() > 0.1]
        shift = chance.choice([0, 0, 0.3, 3])
        if chance.random() > 0.1:
            label = chance.choice(["x0", "x9"]) if chance.random() < 0.2 else f"x{speakers.index(speaker)}"
            hypothesis.append(segment(heard, clock + shift, end + shift, label))
        clock = end
    return [reference, hypothesis]


def segment(words: list[str], start: float, end: float, speaker: str) -> dict[str, Any]:
    """Return a segment as SegLST has it."""
    times = {"start_time": round(start, 2), "end_time": round(end, 2)}
    return {"session_id": "a", "words": " ".join(words), **times, "speaker": speaker}


def figures() -> list[dict[str, Any]]:
    """Return conversations, with the errors that MeetEval counts: cpWER, and tcpWER for each collar."""
    from meeteval.io import SegLST
    from meeteval.wer import cp_word_error_rate, time_constrained_minimum_permutation_word_error_rate

    found = []
    for seed in range(60):
        reference, hypothesis = conversation(seed)
        if not any(each["words"] for each in reference) or not hypothesis:
            continue
        sides = SegLST(reference), SegLST(hypothesis)
        rate = cp_word_error_rate(*sides)
        timed = [time_constrained_minimum_permutation_word_error_rate(*sides, collar=each) for each in COLLARS]
        found.append(
            {
                "reference": reference,
                "hypothesis": hypothesis,
                "words": rate.length,
                "cpwer": rate.errors,
                "tcpwer": [each.errors for each in timed],
            }
        )
    return found


if __name__ == "__main__":
    FIGURES.write_text("[\n" + ",\n".join(json.dumps(each) for each in figures()) + "\n]\n")
