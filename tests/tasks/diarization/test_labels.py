"""tasks/diarization/labels.py against WhisperX's own function, which it stands for."""

import copy
import random
from typing import Any

import pandas as pd
import pytest
from whisperx.diarize import assign_word_speakers

from tasks.diarization.labels import label_speakers
from tasks.diarization.voices import Turn


def random_case(seed: int) -> tuple[list[Turn], dict[str, Any]]:
    """Return turns that overlap, touch and nest, and segments with words that some of them miss."""
    of = random.Random(seed)

    def at() -> float:
        return of.choice([of.randrange(20) * 0.5, of.uniform(0, 10)])

    turns = [(*sorted((at(), at())), of.choice("ABC")) for _ in range(of.randrange(12))]
    segments: list[dict[str, Any]] = []
    for _ in range(of.randrange(5)):
        words: list[dict[str, Any]] = [{"word": "untimed"}, {"word": "begun", "start": at()}]
        words += [dict(zip(("start", "end"), sorted((at(), at())), strict=True)) for _ in range(6)]
        start, end = sorted((at(), at()))
        segments.append({"start": start, "end": end, "text": "", **({"words": words} if of.random() < 0.8 else {})})
    return turns, {"segments": segments}  # type: ignore[return-value]


@pytest.mark.parametrize("embeddings", [None, {"A": [0.5]}])
def test_labels_are_those_of_whisperx(embeddings: dict[str, list[float]] | None) -> None:
    """In 500 made-up files."""
    labelled = 0
    for seed in range(500):
        turns, ours = random_case(seed)
        theirs = copy.deepcopy(ours)
        assign_word_speakers(pd.DataFrame(turns, columns=["start", "end", "speaker"]), theirs, embeddings)
        label_speakers(turns, ours, embeddings)
        assert ours == theirs, seed
        labelled += sum("speaker" in segment for segment in ours["segments"])
    assert labelled > 500
