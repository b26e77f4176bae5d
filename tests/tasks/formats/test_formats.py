"""tasks/formats: each is opened by a reader that nobody here wrote; WhisperX's are its own, and lose nothing."""

import json
import re
from io import BytesIO, StringIO
from itertools import groupby
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import av
import mammoth
import numpy as np
import parselmouth
import pytest
from cue_readers import cues_of
from docx import Document
from docx.oxml.ns import qn
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from parselmouth.praat import call
from transcripts import BYE, GOOD_DAY, LOST, PLAIN, SEGMENTS, TURNS, ours, segment, word
from whisperx.utils import get_writer

from tasks.formats import ALL, EXTENSIONS, encode
from tasks.formats.writers import Layout
from tasks.transcribe import Transcript

HIGHLIGHTED = Layout(max_line_width=None, max_line_count=None, highlight_words=True)
NARROW = Layout(max_line_width=12, max_line_count=None, highlight_words=False)
SHORT = Layout(max_line_width=12, max_line_count=2, highlight_words=False)
LAYOUTS = [PLAIN, HIGHLIGHTED, NARROW, SHORT, {**SHORT, "highlight_words": True}]


def theirs(name: str, segments: list[dict[str, Any]], layout: Any = PLAIN, *, language: str = "en") -> bytes:
    """Return what the writers of the `whisperx` program write."""
    file = StringIO()
    get_writer(name, "").write_result({"segments": segments, "language": language}, file=file, options=layout)
    return file.getvalue().encode()


def unspaced(text: str) -> str:
    """Return the text without white space."""
    return "".join(text.split())


TEXTS = st.sampled_from(["so", "Grüße,", "3.", "a-very-long-word", "[x]", "it’s", "ok"])
TIMES = st.sampled_from([0, 4, 20, 250, 1200, 3500])


@st.composite
def segment_lists(draw: st.DrawFn, *, all_aligned: bool) -> list[dict[str, Any]]:
    """Return segments in order; some words are not timed, some overlap, some take no time, and all or none have any."""
    aligned, clock, segments = draw(st.booleans()), 0, []
    for _ in range(draw(st.integers(0, 5))):
        start = clock = clock + draw(TIMES)
        words: list[dict[str, Any]] = []
        for text in draw(st.lists(TEXTS, min_size=1, max_size=8)):
            begin, clock = clock, clock + draw(TIMES)
            words.append(word(text, begin / 1000, clock / 1000) if draw(st.booleans()) else {"word": text})
        made = segment(start / 1000, clock / 1000, " ".join(each["word"] for each in words))
        if aligned:
            made["words"] = words if all_aligned or draw(st.booleans()) else []
        if speaker := draw(st.sampled_from([None, "A", "Doe, Jane"])):
            made["speaker"] = speaker
        segments.append(made)
    return segments


WIDTHS = st.none() | st.integers(4, 40)
LAYOUTS_OF_ALL_KINDS = st.fixed_dictionaries(
    {"max_line_width": WIDTHS, "max_line_count": st.none() | st.integers(1, 3), "highlight_words": st.booleans()}
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(segments=segment_lists(all_aligned=True), layout=LAYOUTS_OF_ALL_KINDS, language=st.sampled_from(["en", "ja"]))
def test_where_whisperx_loses_nothing_ours_are_its_bytes(
    segments: list[dict[str, Any]], layout: Any, language: str
) -> None:
    """Whatever is asked of the lines. Highlighted Japanese and cues that speakers share have their own tests."""
    speakers = {each.get("speaker") for each in segments}
    shared = len(speakers) > 1 and layout["max_line_width"] and layout["max_line_count"]
    for name in (*ALL, "aud"):
        if name not in {"srt", "vtt"} or not (shared or (layout["highlight_words"] and language == "ja")):
            assert ours(name, segments, layout, language=language) == theirs(name, segments, layout, language=language)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(segments=segment_lists(all_aligned=False), layout=LAYOUTS_OF_ALL_KINDS)
def test_no_format_loses_a_word(segments: list[dict[str, Any]], layout: Any) -> None:
    """With words, without, or with some that are not timed; each is there, in the order in which they were said."""
    said = []
    for number, each in enumerate(segments):
        names = [f"w{number}-{i}." for i in range(len(each["text"].split()))]
        each["text"] = " ".join(names)
        for known, name in zip(each.get("words", []), names, strict=False):
            known["word"] = name
        said += names
    for name in set(EXTENSIONS) - {"rttm", "docx", "scc", "quality"}:
        written = ours(name, segments, layout).decode()
        places = [written.find(word) for word in said]
        assert -1 not in places
        assert name in {"textgrid", "eaf"} or places == sorted(places)


ARABIC = [
    segment(0.5, 1.4, "مرحبا بكم في Paris.", speaker="A", words=[word("مرحبا", 0.5, 0.8), word("بكم.", 0.9, 1.4)]),
    segment(5.0, 6.0, "Good day.", speaker="B", words=[word("Good", 5.0, 5.2), word("day.", 5.5, 6.0)]),
    segment(9.0, 9.5, "שלום!", speaker="A", words=[word("שלום!", 9.0, 9.5)]),
]


def test_a_document_says_which_paragraphs_go_from_right_to_left() -> None:
    """And which of their runs: not the time in front. A translation of Arabic is not marked."""
    document = Document(BytesIO(ours("docx", ARABIC, language="ar")))
    marked = [
        (p.text[:11], p._p.find(f".//{qn('w:bidi')}") is not None, [bool(run.font.rtl) for run in p.runs])
        for p in document.paragraphs[2:]
    ]
    assert marked == [
        ("00:00:00 A:", True, [False, True]),
        ("00:00:05 B:", False, [False, False]),
        ("00:00:09 A:", True, [False, True]),
    ]
    translated = Document(BytesIO(ours("docx", [GOOD_DAY], language="ar")))
    assert "<w:bidi/>" not in translated.element.xml
    assert "<w:rtl/>" not in translated.element.xml


@pytest.mark.parametrize("layout", LAYOUTS)
def test_ass_and_markdown_embed_lines_from_right_to_left(layout: Any) -> None:
    """Players and viewers take the direction of the first character, or left to right: the full stop would lead."""
    lines = [
        line for *_, text in cues_of("ass", ours("ass", ARABIC, layout, language="ar")) for line in text.split(r"\N")
    ]
    for line in lines:
        text = line.rpartition(",0,0,0,,")[2]  # FFmpeg gives the fields before it, too
        assert text.startswith("\u202b") == text.endswith("\u202c") == (not re.search("Good|day", text))
    blocks = ours("md", ARABIC, language="ar").decode().split("\n\n")[2:]
    assert [block.count("\u202b") for block in blocks] == [1, 0, 1]
    assert blocks[2].endswith("\u202bשלום!\u202c\n")


@pytest.mark.parametrize("highlight_words", [False, True])
@pytest.mark.parametrize("name", ["srt", "vtt"])
def test_a_cue_has_the_words_of_one_speaker(name: str, *, highlight_words: bool) -> None:
    """Also where cues are filled up: WhisperX puts the answer under the name of the one who asked."""
    layout = {"max_line_width": 42, "max_line_count": 2, "highlight_words": highlight_words}
    reply = segment(1.5, 2.0, "Is it?", speaker="B", words=[word("Is", 1.5, 1.7), word("it?", 1.7, 2.0)])
    more = segment(2.1, 2.4, "Oh.", speaker="B", words=[word("Oh.", 2.1, 2.4)])
    assert (
        "[A]: Good day. Is it? Oh."
        in theirs(name, [GOOD_DAY, reply, more], {**layout, "highlight_words": False}).decode()
    )
    texts = [re.sub("</?u>", "", text) for *_, text in cues_of(name, ours(name, [GOOD_DAY, reply, more], layout))]
    assert list(dict.fromkeys(texts)) == ["[A]: Good day.", "[B]: Is it? Oh."]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(segments=segment_lists(all_aligned=True), width=st.integers(4, 40), count=st.integers(1, 3))
def test_the_cues_of_each_speaker_are_those_of_whisperx(segments: list[dict[str, Any]], width: int, count: int) -> None:
    """As if the others were silent."""
    layout = {"max_line_width": width, "max_line_count": count, "highlight_words": False}
    turns = [list(turn) for _, turn in groupby(segments, key=lambda each: each.get("speaker"))]
    expected = [cue for turn in turns for cue in cues_of("srt", theirs("srt", turn, layout))]
    assert cues_of("srt", ours("srt", segments, layout)) == expected


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["srt", "vtt"])
def test_a_segment_without_words_keeps_its_text(name: str, layout: Any) -> None:
    """Its alignment failed: WhisperX drops it from its subtitles, without a word."""
    assert "♪" not in theirs(name, SEGMENTS, layout).decode()
    cues = cues_of(name, ours(name, SEGMENTS, layout))
    lost = [(start, end, text) for start, end, text in cues if "la" in text]
    assert unspaced("".join(text.removeprefix("[B]: ") for *_, text in lost)) == unspaced(LOST["text"])
    assert all(text.startswith("[B]: ") for *_, text in lost)
    assert (lost[0][0], lost[-1][1]) == (2000, 4000)
    assert [cue for cue in cues if cue not in lost] == [
        *cues_of(name, theirs(name, [GOOD_DAY], layout)),
        *cues_of(name, theirs(name, [BYE], layout)),
    ]


def test_a_segment_without_words_has_lines_of_the_width_asked_for() -> None:
    """And where they take several cues, these follow each other."""
    text = ours("srt", [GOOD_DAY, LOST], SHORT).decode()
    assert text.endswith("\n\n2\n00:00:02,000 --> 00:00:04,000\n[B]: ♪ la la la la la \nla ♪\n\n")
    narrow = {**SHORT, "max_line_width": 6}
    times = [(start, end) for start, end, text in cues_of("srt", ours("srt", [GOOD_DAY, LOST], narrow)) if "B" in text]
    assert times == [(2000, 3000), (3000, 4000)]


def test_a_transcript_of_which_nothing_was_aligned_is_written() -> None:
    """WhisperX's file is empty."""
    assert theirs("srt", [LOST]) == b""
    assert ours("srt", [LOST]) == "1\n00:00:02,000 --> 00:00:04,000\n[B]: ♪ la la la la la la ♪\n\n".encode()


HELLO = segment(0.0, 1.0, "こんにちは", words=[word(c, i / 5, (i + 1) / 5) for i, c in enumerate("こんにちは")])


@pytest.mark.parametrize("name", ["srt", "vtt"])
def test_japanese_has_no_spaces_between_words(name: str) -> None:
    """The program writes a detected language as `en`, and so spaces; around a highlighted word it always does."""
    assert "こ ん に ち は" in theirs(name, [HELLO], language="en").decode()
    transcript = Transcript("ja", {"segments": [HELLO], "language": "en"})
    assert "こんにちは" in encode(name, transcript, None, PLAIN, "a", 1.0).decode()
    labelled = [{**HELLO, "speaker": "Doe, Jane"}]
    highlighted = theirs(name, labelled, HIGHLIGHTED, language="ja").decode()
    assert "[Doe, Jane]: こ <u>ん</u> に ち は" in highlighted
    ours_too = ours(name, labelled, HIGHLIGHTED, language="ja").decode()
    assert "[Doe, Jane]: こ<u>ん</u>にちは" in ours_too
    assert unspaced(ours_too) == unspaced(highlighted)


@pytest.mark.parametrize("name", EXTENSIONS)
@pytest.mark.parametrize("segments", [[], SEGMENTS, [segment(0.0, 1.0, "Hi")]])
def test_the_same_transcript_gives_the_same_bytes(name: str, segments: list[dict[str, Any]]) -> None:
    """Also with nothing said, or with no words: what is in an output's place is compared with what belongs there."""
    first = ours(name, segments)
    assert ours(name, segments) == first
    if name == "docx":
        parts = ZipFile(BytesIO(first))
        assert {part.date_time for part in parts.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert b"1980-01-01T00:00:00Z" in parts.read("docProps/core.xml")


def test_ass_has_the_cues_of_the_other_subtitles_in_a_style_for_each_speaker() -> None:
    """As FFmpeg reads it; what would be markup in the text is shown, not obeyed."""
    odd = segment(4.0, 5.0, r"{gone} C:\New", speaker="Doe, Jane", words=[])
    content = ours("ass", [*SEGMENTS, odd, segment(6.0, 7.0, "Hm.")], NARROW)
    fields = [(start, end, text.split(",", 8)[2:]) for start, end, text in cues_of("ass", content)]
    assert [(start, end, style, text) for start, end, (style, *_, text) in fields] == [
        (500, 1400, "A", "Good day."),
        (2000, 4000, "B", r"♪ la la la la la\Nla ♪"),
        (4000, 5000, "Doe; Jane", "(gone) C:\\\N{WORD JOINER}New"),
        (5000, 6000, "A", "Bye 2 you"),
        (6000, 7000, "Default", "Hm."),
    ]
    with av.open(BytesIO(content), format="ass") as container:
        header = container.streams.subtitles[0].codec_context.extradata or b""
    colours = dict(re.findall(r"(?m)^Style: ([^,]*),[^,]*,[^,]*,([^,]*)", header.decode()))
    assert list(colours) == ["Default", "A", "B", "Doe; Jane"]
    assert len(set(colours.values())) == 4


def test_ass_underlines_words_as_they_are_spoken() -> None:
    """In ASS's own markup."""
    texts = [text.split(",", 8)[8] for *_, text in cues_of("ass", ours("ass", [GOOD_DAY], HIGHLIGHTED))]
    assert texts == [r"{\u1}Good{\u0} day.", "Good day.", r"Good {\u1}day.{\u0}"]


def tiers_of(content: bytes, folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return the intervals that are not empty, by tier, as Praat reads them."""
    (folder / "a.TextGrid").write_bytes(content)
    grid = parselmouth.read(str(folder / "a.TextGrid"))
    assert (grid.xmin, grid.xmax) == (0, 7)
    tiers = {}
    for tier in range(1, call(grid, "Get number of tiers") + 1):
        times = range(1, call(grid, "Get number of intervals", tier) + 1)
        whats = "Get start time of interval", "Get end time of interval", "Get label of interval"
        intervals = [tuple(call(grid, what, tier, number) for what in whats) for number in times]
        tiers[call(grid, "Get tier name", tier)] = [each for each in intervals if each[2]]
    return tiers


def test_praat_reads_a_tier_of_words_and_one_for_each_speaker(tmp_path: Path) -> None:
    """From the beginning to the end of the audio; a word without times is with the next."""
    quoted = segment(6.5, 7.0, 'He said "no".', words=[])
    tiers = tiers_of(ours("textgrid", [*SEGMENTS, quoted]), tmp_path)
    assert tiers == {
        "words": [
            (0.5, 0.8, "Good"),
            (0.9, 1.4, "day."),
            (2.0, 4.0, LOST["text"].strip()),
            (5.0, 5.2, "Bye"),
            (5.2, 6.0, "2 you"),
            (6.5, 7.0, 'He said "no".'),
        ],
        "A": [(0.5, 1.4, "Good day."), (5.0, 6.0, "Bye 2 you")],
        "B": [(2.0, 4.0, LOST["text"].strip())],
        "segments": [(6.5, 7.0, 'He said "no".')],
    }


def test_praat_reads_segments_without_word_timings_and_without_speech(tmp_path: Path) -> None:
    """A tier of segments, which may be empty."""
    assert tiers_of(ours("textgrid", [segment(0.0, 1.0, "Hi")]), tmp_path) == {"segments": [(0.0, 1.0, "Hi")]}
    assert tiers_of(ours("textgrid", []), tmp_path) == {"segments": []}


def test_praat_reads_times_as_whisperx_gives_them(tmp_path: Path) -> None:
    """Some are NumPy's."""
    timed = segment(np.float64(0.25), np.float64(1.5), "Hi", words=[word("Hi", np.float64(0.25), np.float64(1.5))])
    tiers = tiers_of(ours("textgrid", [timed]), tmp_path)
    assert tiers == {"words": [(0.25, 1.5, "Hi")], "segments": [(0.25, 1.5, "Hi")]}
    assert cues_of("ass", ours("ass", [timed]))[0][:2] == (250, 1500)


def test_praat_reads_words_that_overlap_or_take_no_time(tmp_path: Path) -> None:
    """WhisperX gives words that it could not align the times of their neighbours; Praat knows no overlaps."""
    words = [word("a", 0.0, 0.0), word("b", 1.0, 2.0), word("c", 1.0, 2.0), word("d", 1.5, 2.5), {"word": "e"}]
    tiers = tiers_of(ours("textgrid", [segment(0.0, 2.5, "a b c d e", words=words)]), tmp_path)
    assert tiers["words"] == [(0.0, 0.001, "a"), (1.0, 2.0, "b c"), (2.0, 2.5, "d e")]


def test_rttm_has_every_turn_under_an_id_without_spaces(tmp_path: Path) -> None:
    """As the diarization has it, overlaps too; read by Lhotse."""
    from lhotse import SupervisionSet

    (tmp_path / "a.rttm").write_bytes(ours("rttm", [], title="Straße, take 2"))
    read = SupervisionSet.from_rttm(str(tmp_path / "a.rttm"))
    assert {each.recording_id for each in read} == {"Straße,_take_2"}
    assert sorted((each.start, each.end, each.speaker) for each in read) == sorted(TURNS.turns)
    assert ours("rttm", SEGMENTS, diarization=None) == b""


SCORED = segment(
    7.0, 8.0, "So 1 2 go", words=[word("So", 7.0, 7.25) | {"score": 0.5}, {"word": "1 2"}, word("go", 7.5, 8)]
)


def test_ctm_has_a_line_for_each_word(tmp_path: Path) -> None:
    """Read by Lhotse; words without times share the gap that they are in, or the segment."""
    from lhotse import SupervisionSegment, SupervisionSet

    (tmp_path / "a.ctm").write_bytes(ours("ctm", [*SEGMENTS, SCORED], title="Straße, take 2"))
    whole = SupervisionSegment(id="1", recording_id="Straße,_take_2", start=0.0, duration=9.0, channel=1)
    (read,) = SupervisionSet.from_segments([whole]).with_alignment_from_ctm(str(tmp_path / "a.ctm"))
    words = [(each.symbol, each.start, round(each.end, 3), each.score) for each in read.alignment["word"]]
    assert words[:3] == [("Good", 0.5, 0.8, None), ("day.", 0.9, 1.4, None), ("♪", 2.0, 2.25, None)]
    assert words[9:] == [
        ("♪", 3.75, 4.0, None),
        ("Bye", 5.0, 5.2, None),
        ("2", 5.2, 5.2, None),
        ("you", 5.2, 6.0, None),
        ("So", 7.0, 7.25, 0.5),
        ("1", 7.25, 7.375, None),
        ("2", 7.375, 7.5, None),
        ("go", 7.5, 8.0, None),
    ]


def test_seglst_has_every_segment_with_its_speaker() -> None:
    """Under the id that rttm and ctm give the recording; the fields are those that MeetEval asks for."""
    timed = {"session_id": "a_talk", "start_time": 0.5, "end_time": 1.4}
    first, *_, last = json.loads(ours("seglst", [GOOD_DAY, LOST, segment(np.float64(6.5), 7.0, "Hm.")]))
    assert first == {**timed, "speaker": "A", "words": "Good day."}
    assert last == {**timed, "start_time": 6.5, "end_time": 7.0, "speaker": "", "words": "Hm."}


READ = segment(70.0, 71.0, "Is 2 * 3 * 4 _that_ #1 [x](y) & &amp; <b>C:\\*?", words=[])


def test_the_document_can_be_read() -> None:
    """A title, the language, paragraphs with the time and the speaker; read by Mammoth."""
    more = [segment(2.5, 3.0, "Again.", speaker="A"), segment(3.1, 3.2, "\x01.", speaker="A")]
    html = mammoth.convert_to_html(BytesIO(ours("docx", [GOOD_DAY, *more, READ], language="de", title="a <b>"))).value
    assert html == (
        "<p>a &lt;b&gt;</p><p>Language: German (de)</p>"
        "<p><strong>00:00:00 A:</strong> Good day. Again. \N{REPLACEMENT CHARACTER}.</p>"
        "<p><strong>00:01:10</strong> Is 2 * 3 * 4 _that_ #1 [x](y) &amp; &amp;amp; &lt;b&gt;C:\\*?</p>"
    )


def test_markdown_holds_the_same_and_its_text_is_no_markup() -> None:
    """As a CommonMark parser reads it."""
    html = MarkdownIt().render(ours("md", [GOOD_DAY, READ], language="ja", title="a_b <c> _d_ #").decode())
    assert html.splitlines() == [
        "<h1>a_b &lt;c&gt; _d_ #</h1>",
        "<p>Language: Japanese (ja)</p>",
        "<p><strong>00:00:00 A:</strong> Good day.</p>",
        "<p><strong>00:01:10</strong> Is 2 * 3 * 4 _that_ #1 [x](y) &amp; &amp;amp; &lt;b&gt;C:\\*?</p>",
    ]


def test_paragraphs_end_with_a_speaker_a_pause_or_a_minute() -> None:
    """So that each has one speaker and is found by its time; Japanese has no spaces between sentences."""
    texts = [
        ("はい。", 0.0, 1.0),
        ("ええ。", 1.5, 2.0),
        ("次。", 4.5, 30.0),
        ("また。", 30.5, 64.0),
        ("終。", 64.5, 65.0),
    ]
    segments = [segment(start, end, text) for text, start, end in texts]
    written = ours("md", [*segments, segment(65.0, 66.0, "さて。", speaker="A")], language="ja").decode()
    assert written.split("\n\n")[2:] == [
        "**00:00:00** はい。ええ。",
        "**00:00:04** 次。また。",
        "**00:01:04** 終。",
        "**00:01:05 A:** さて。\n",
    ]
