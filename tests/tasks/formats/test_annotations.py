"""EAF, CSV and the layouts of programs for qualitative analysis."""

import re
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from pympi import Eaf
from transcripts import BYE, GOOD_DAY, LOST, SEGMENTS, ours, segment, word


def tiers_of(content: bytes, folder: Path) -> dict[str, list[tuple[int, int, str]]]:
    """Return the annotations in milliseconds, by tier, as pympi reads ELAN's documents."""
    (folder / "a.eaf").write_bytes(content)
    eaf = Eaf(str(folder / "a.eaf"))
    return {name: sorted(eaf.get_annotation_data_for_tier(name)) for name in eaf.get_tier_names()}


def test_elan_has_a_tier_for_each_speaker_and_one_below_it_for_the_words(tmp_path: Path) -> None:
    """The words inside what was said, one without times with the next; segments without words have none."""
    content = ours("eaf", SEGMENTS)
    assert tiers_of(content, tmp_path) == {
        "A": [(500, 1400, "Good day."), (5000, 6000, "Bye 2 you")],
        "A words": [(500, 800, "Good"), (900, 1400, "day."), (5000, 5200, "Bye"), (5200, 6000, "2 you")],
        "B": [(2000, 4000, LOST["text"].strip())],
        "B words": [],
    }
    eaf = Eaf(str(tmp_path / "a.eaf"))
    words = eaf.get_parameters_for_tier("A words")
    assert (words["PARENT_REF"], words["PARTICIPANT"]) == ("A", "A")
    assert eaf.get_parameters_for_linguistic_type(words["LINGUISTIC_TYPE_REF"])["CONSTRAINTS"] == "Included_In"


def test_elan_reads_a_transcript_without_speakers_and_one_without_speech(tmp_path: Path) -> None:
    """A tier of segments, which may be empty."""
    assert tiers_of(ours("eaf", [segment(0.0, 1.0, "Hi")]), tmp_path)["segments"] == [(0, 1000, "Hi")]
    assert tiers_of(ours("eaf", []), tmp_path) == {"segments": [], "segments words": []}


SPANS = st.tuples(st.integers(0, 5000), st.integers(0, 900))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(spans=st.lists(st.tuples(SPANS, st.lists(SPANS, max_size=4)), max_size=6))
def test_annotations_of_a_tier_never_overlap(tmp_path_factory: Any, spans: list[Any]) -> None:
    """Nor do words leave the annotation that they are in, whatever the times; and no word is lost."""
    segments = []
    for number, ((start, length), timed) in enumerate(spans):
        words = [word(f"w{number}-{i}", a / 1000, (a + b) / 1000) for i, (a, b) in enumerate(timed)]
        text = " ".join(each["word"] for each in words) or f"s{number}"
        segments.append(segment(start / 1000, (start + length) / 1000, text, speaker="A", words=words))
    tiers = tiers_of(ours("eaf", segments), tmp_path_factory.getbasetemp())
    for row in tiers.values():
        assert all(before[1] <= after[0] for before, after in pairwise(row))
        assert all(start < end for start, end, _ in row)
    rows = tiers.get("A words", [])
    assert all(any(a <= start and end <= b for a, b, _ in tiers["A"]) for start, end, _ in rows)
    said = [each["word"] for one in segments for each in one["words"]]
    assert sorted(" ".join(text for *_, text in rows).split()) == sorted(said)


def test_the_table_of_words_is_read_by_pandas() -> None:
    """Times in seconds, the speaker of each word, the score where there is one; a segment without words is a row."""
    scored = {**word("Good,", np.float64(0.5), np.float64(0.8)), "score": np.float64(0.75), "speaker": "B"}
    content = ours("csv", [{**GOOD_DAY, "words": [scored]}, LOST, BYE])
    assert content.startswith(b"\xef\xbb\xbf")  # or Excel shows Ã¼ for ü
    table = pd.read_csv(BytesIO(content))
    assert list(table.columns) == ["start", "end", "word", "speaker", "score", "segment"]
    rows = table.astype(object).where(table.notna(), None).to_numpy().tolist()
    assert rows == [
        [0.5, 0.8, "Good,", "B", 0.75, 1],
        [2.0, 4.0, "♪ la la la la la la ♪", "B", None, 2],
        [5.0, 5.2, "Bye", "A", None, 3],
        [None, None, "2", "A", None, 3],
        [5.2, 6.0, "you", "A", None, 3],
    ]


def test_nvivo_gets_a_table_with_a_timespan_for_each_paragraph() -> None:
    """Tab-delimited with a header row, times to the tenth of a second; read by pandas."""
    tabbed = segment(3700.0, 3701.26, 'He said\t"no".', speaker="B", words=[])
    content = ours("nvivo", [GOOD_DAY, LOST, tabbed, segment(4000.0, 4001.0, "Hm.")])
    table = pd.read_csv(BytesIO(content), sep="\t", quoting=3, keep_default_na=False)
    assert table.to_numpy().tolist() == [
        ["00:00:00.5 - 00:00:01.4", "A", "Good day."],
        ["00:00:02.0 - 00:00:04.0", "B", "♪ la la la la la la ♪"],
        ["01:01:40.0 - 01:01:41.3", "B", 'He said "no".'],
        ["01:06:40.0 - 01:06:41.0", "", "Hm."],
    ]


def test_maxqda_and_atlasti_get_a_paragraph_for_each_turn_that_ends_with_its_time() -> None:
    """f4's layout: a name of at most 63 characters and a colon, and `#hh:mm:ss-x#` where the paragraph ends."""
    named = segment(65.04, 71.96, "Two\nlines: one.", speaker="Doe: " + "x" * 80, words=[])
    text = ours("maxqda", [GOOD_DAY, LOST, named, segment(80.0, 81.0, "Hm.")]).decode("utf-8-sig")
    assert ours("atlasti", [GOOD_DAY]) == ours("maxqda", [GOOD_DAY])
    turns = [
        re.fullmatch(r"(?:([^:]{1,63}): )?(.*) #(\d\d:\d\d:\d\d-\d)#", each) for each in text.strip().split("\n\n")
    ]
    assert [turn and turn.groups() for turn in turns] == [
        ("A", "Good day.", "00:00:01-4"),
        ("B", "♪ la la la la la la ♪", "00:00:04-0"),
        ("Doe  " + "x" * 58, "Two lines: one.", "00:01:12-0"),
        (None, "Hm.", "00:01:21-0"),
    ]
