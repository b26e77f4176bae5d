"""tasks/formats/subtitles: readable subtitles keep the rules of the trade, whatever was said; read by FFmpeg."""

import re
from itertools import pairwise
from typing import Any

import pytest
from cue_readers import cues_of
from hypothesis import given, settings
from hypothesis import strategies as st
from transcripts import PLAIN, ours, segment, word

from tasks.formats.subtitles.rules import Rules, parse, rules_for
from tasks.formats.subtitles.tokens import columns
from tasks.write import WriteOptions

LABEL = re.compile(r"^\[(.*?)\]: ")


def said(text: str, start: float = 0.0, *, rate: float = 15, pause: float = 0.3, **more: Any) -> dict[str, Any]:
    """Return a sentence as a segment whose words follow each other, at so many characters a second."""
    words, clock = [], start
    for each in text.split():
        words.append(word(each, round(clock, 3), round(clock + len(each) / rate, 3)))
        clock += (len(each) + 1) / rate + (pause if each[-1] in ",;" else 0)
    return segment(start, words[-1]["end"], text, words=words, **more)


def readable(
    segments: list[dict[str, Any]], language: str = "en", *, labels: str = "none", **rules: float
) -> list[Any]:
    """Return the cues of our SRT as FFmpeg reads them, each with its lines."""
    layout = {**PLAIN, "readable": rules, **({"speaker_labels": labels} if labels != "prefix" else {})}
    cues = cues_of("srt", ours("srt", segments, layout, language=language))
    return [(start, end, text.split("\n")) for start, end, text in cues]


def lines(segments: list[dict[str, Any]], language: str = "en", **rules: Any) -> list[list[str]]:
    """Return the lines of each cue."""
    return [text for *_, text in readable(segments, language, **rules)]


WORDS = st.sampled_from("I so the Grüße, 3 end. Really? antidisestablishmentarianism (you) of-the it’s ok".split())
JAPANESE = st.sampled_from(list("今日はとても良い天気、です。ー「」OK1"))
TIMES = st.sampled_from([0, 20, 90, 250, 1200, 3500, 9000])


@st.composite
def conversations(draw: st.DrawFn) -> tuple[str, list[dict[str, Any]]]:
    """Return a language and segments in order, some not aligned, with words that are not timed or take no time."""
    language = draw(st.sampled_from(["en", "ja", "th"]))
    clock, segments = 0, []
    for _ in range(draw(st.integers(0, 8))):
        start = clock = clock + draw(TIMES)
        words: list[dict[str, Any]] = []
        for text in draw(st.lists(JAPANESE if language == "ja" else WORDS, min_size=1, max_size=30)):
            begin, clock = clock, clock + draw(TIMES)
            words.append(word(text, begin / 1000, clock / 1000) if draw(st.booleans()) else {"word": text})
        text = ("" if language == "ja" else " ").join(each["word"] for each in words)
        made = segment(start / 1000, clock / 1000, text)
        if draw(st.booleans()):
            made["words"] = words
        if speaker := draw(st.sampled_from([None, "SPEAKER_00", "Prof. Dr. Alexandra Schmidt of Ulm", "山田太郎" * 4])):
            made["speaker"] = speaker
        segments.append(made)
    return language, segments


RULES = st.fixed_dictionaries(
    {},
    optional={
        "max_line_width": st.integers(20, 60),
        "max_line_count": st.integers(1, 3),
        "max_cps": st.integers(5, 30),
        "min_duration": st.sampled_from([0.5, 1.0]),
        "max_duration": st.sampled_from([3.0, 10.0]),
        "min_gap": st.sampled_from([0, 0.08, 0.2]),
    },
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(conversation=conversations(), named=RULES, labels=st.sampled_from(["prefix", "none"]))
def test_every_cue_keeps_the_rules_and_no_word_is_lost(
    conversation: tuple[str, list[dict[str, Any]]], named: dict[str, float], labels: str
) -> None:
    """Lines with their labels, times, gaps; of one speaker each; and together they hold all that was said."""
    language, segments = conversation
    rules = rules_for(language, named)
    cues = readable(segments, language, labels=labels, **named)
    for start, end, text in cues:
        assert len(text) <= rules.max_line_count
        assert max(map(columns, text)) <= rules.max_line_width
        assert round(1000 * rules.min_duration) <= end - start <= round(1000 * rules.max_duration)
    gaps = [after[0] - before[1] for before, after in pairwise(cues)]
    assert min(gaps, default=rules.min_gap * 1000) >= round(1000 * rules.min_gap)
    shown = "".join("".join(LABEL.sub("", "".join(text)) if labels == "prefix" else "".join(text)) for *_, text in cues)
    assert "".join(shown.split()) == "".join("".join(each["text"].split()) for each in segments)
    if labels == "prefix":
        speakers = [match and match[1].rstrip("…") for *_, text in cues for match in [LABEL.match(text[0])]]
        names = [each.get("speaker") for each in segments]
        assert all(name is None or any(each and each.startswith(name) for each in names) for name in speakers)


COUNTRY = "And so, my fellow Americans, ask not what your country can do for you, ask what you can do for your country."
COMMITTEE = "The committee that was appointed by the president of the university has not yet published its findings."


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        (
            COUNTRY,
            "en",
            [
                ["And so, my fellow Americans,"],
                ["ask not what your country can do for you,", "ask what you can do for your country."],
            ],
        ),
        (
            COMMITTEE,
            "en",
            [
                ["The committee that was appointed"],
                ["by the president of the university", "has not yet published its findings."],
            ],
        ),
        (
            "Ich habe ihn gestern in der alten Bibliothek gesehen, aber er hat mich leider nicht erkannt.",
            "de",
            [["Ich habe ihn gestern", "in der alten Bibliothek gesehen,"], ["aber er hat mich leider nicht erkannt."]],
        ),
        (
            "El presidente de la comisión explicó que los resultados de la encuesta no se publicarán este año.",
            "es",
            [
                ["El presidente de la comisión explicó"],
                ["que los resultados de la encuesta", "no se publicarán este año."],
            ],
        ),
    ],
)
def test_cues_and_lines_end_with_phrases(text: str, language: str, expected: list[list[str]]) -> None:
    """After a clause, before a preposition or a conjunction; not after an article or in a verb's group."""
    assert lines([said(text)], language) == expected


def test_a_cue_does_not_begin_a_sentence_that_it_cannot_end() -> None:
    """Short sentences share a line."""
    short = [said("Good. I see.", 0), said("Nobody has told us about the last of the three meetings yet.", 1.0)]
    assert lines(short)[0] == ["Good. I see."]
    assert lines([said("Dr. Smith has gone.", 0)]) == [["Dr. Smith has gone."]]


def test_japanese_lines_neither_begin_nor_end_with_the_wrong_character() -> None:
    """And words in katakana or Latin letters stay whole; widths are those of the Japanese guide."""
    text = "今日は天気がとても良いので、公園へ「散歩」に行きましょう。新しいレストランでOpenAIのモデルを試しています。"
    spoken = segment(0, 10.0, text, words=[word(each, i / 6, (i + 1) / 6) for i, each in enumerate(text)])
    cues = lines([spoken], "ja")
    assert "".join("".join(each) for each in cues) == text
    flat = [line for each in cues for line in each]
    assert all(columns(line) <= 26 for line in flat)
    assert not [line for line in flat if line[0] in "、。」ー" or line[-1] == "「"]
    assert all(any(whole in line for line in flat) for whole in ("レストラン", "OpenAI", "モデル"))
    assert ["良いので、公園へ", "「散歩」に行きましょう。"] in cues
    hiragana = "あいうえおかきくけこさしす。"  # the full stop alone is too much for a line
    spoken = segment(0, 4.0, hiragana, words=[word(each, i / 4, (i + 1) / 4) for i, each in enumerate(hiragana)])
    assert not [line for each in lines([spoken], "ja") for line in each if line[0] == "。"]


def test_thai_without_spaces_is_cut_between_characters_and_their_marks() -> None:
    """WhisperX gives a whole phrase as one word: no line begins with a mark, or ends with a vowel that leads."""
    phrase = "เราอยากจะไปเที่ยวทะเลในวันหยุดสุดสัปดาห์นี้เพราะว่าอากาศดีมากและน้ำก็ใสสะอาด"
    flat = [line for each in lines([segment(0, 6.0, phrase, words=[word(phrase, 0, 6.0)])], "th") for line in each]
    assert len(flat) > 1
    assert "".join(flat) == phrase
    assert all(columns(line) <= 35 for line in flat)
    assert not [line for line in flat if not columns(line[0]) or line[0] in "ะาำ" or line[-1] in "เแโใไ"]


def test_reading_time_is_borrowed_from_the_pauses() -> None:
    """Fast speech stays until it can be read: into the pause after it, and a little before it."""
    fast = said("Nobody in this room could possibly have said that any faster.", 2.0, rate=40)
    ((start, end, text),) = readable([fast])
    assert (end - start) / 1000 >= len(" ".join(text)) / 17
    follower = said("And then there was a pause, which is long.", 4.0)
    (start, end, text), (following, *_) = readable([fast, follower])
    assert 1750 <= start < 2000
    assert following - end == 84
    assert end / 1000 > fast["end"]


def test_quick_turns_are_each_shown_long_enough() -> None:
    """Four words of two speakers in a second: none flashes by, none is lost, and the order stays."""
    turns = [said(text, i * 0.25, rate=25, speaker=f"S{i % 2}") for i, text in enumerate(["Yes.", "No.", "Oh.", "So."])]
    cues = readable([*turns, said("Well, that is that, I suppose.", 8.0, speaker="S0")], labels="prefix")
    assert [text for *_, text in cues[:4]] == [["[S0]: Yes."], ["[S1]: No."], ["[S0]: Oh."], ["[S1]: So."]]
    assert all(end - start >= 833 for start, end, _ in cues)
    assert cues[4][0] == 8000


def test_short_gaps_are_closed_and_pauses_are_left_empty() -> None:
    """Half a second of empty screen is a flash; three are a pause."""
    one, two, three = readable([said("This is one.", 0), said("This is two.", 1.3), said("This is three.", 6.0)])
    assert two[0] - one[1] == 84
    assert three[0] - two[1] > 2000


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        ("readable", {}),
        ("max_cps=20", {"max_cps": 20}),
        ("readable, max_line_width=37,min_gap=0", {"max_line_width": 37, "min_gap": 0}),
    ],
)
def test_rules_can_be_named(given_text: str, expected: dict[str, float]) -> None:
    """On the command line, each by its name."""
    assert parse(given_text) == expected
    assert WriteOptions(subtitles=given_text).layout()["readable"] == expected


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("netflix", "'netflix': it is `readable`, or rules such as max_cps=20: max_cps, max_line_width"),
        ("max_cps=fast", "max_cps is a number"),
        ("max_line_width=5", "max_line_width is a whole number from 20 to 200"),
        ("max_line_count=1.5", "max_line_count is a whole number from 1 to 3"),
        ("max_line_count=4", "max_line_count is a whole number from 1 to 3"),
        ("max_cps=nan", "max_cps is a number from 1 to 1000"),
        ("max_duration=1", "max_duration 1 is less than twice min_duration 0.833"),
    ],
)
def test_wrong_rules_are_refused(wrong: str, message: str) -> None:
    """With the rule and what it takes."""
    with pytest.raises(ValueError, match=re.escape(message)):
        WriteOptions(subtitles=wrong)


def test_readable_subtitles_have_their_own_width() -> None:
    """WhisperX's options lay out WhisperX's cues: of two widths, neither would be sure to hold."""
    with pytest.raises(
        ValueError, match=r"max_line_width .* leave it out, or set subtitles to readable,max_line_width=30"
    ):
        WriteOptions(subtitles="readable", max_line_width=30)


def test_a_translation_keeps_its_spaces() -> None:
    """It has the language of its original, and the limits and breaks of English; it is not aligned."""
    text = "Good morning everyone, how are you today?"
    translated = [segment(1.0, 4.0, text, words=None), segment(4.5, 7.0, "Let us begin the meeting.", words=None)]
    assert readable(translated, "ja") == readable(translated, "en")
    assert " ".join(lines(translated, "ja")[0]) == text
    assert b"today? Let us begin" in ours("md", translated, language="ja")
    kana = [segment(1.0, 4.0, "今日はとても", words=None), segment(4.5, 7.0, "良い天気です。", words=None)]
    assert "今日はとても良い天気です。".encode() in ours("md", kana, language="ja")


def test_cantonese_is_written_without_spaces() -> None:
    """Though WhisperX puts them between its words, which are characters."""
    text = "你今日食咗飯未呀？"
    words = [word(each, i * 0.3, i * 0.3 + 0.2) for i, each in enumerate(text)]
    sentences = [segment(0.0, 2.7, text, words=words), segment(3.0, 5.7, text, words=words)]
    assert all("".join(cue) == text for cue in lines(sentences, "yue"))
    assert f"{text}{text}".encode() in ours("md", sentences, language="yue")


def test_each_language_has_the_limits_of_its_guide() -> None:
    """Unless one is named."""
    assert rules_for("en", {}) == Rules()
    assert rules_for("zh", {}) == Rules(max_cps=9, max_line_width=32)
    assert rules_for("zh", {"max_cps": 12}) == Rules(max_cps=12, max_line_width=32)
