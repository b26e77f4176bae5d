"""TTML, SCC and voices in WebVTT: each read by two programs that nobody here wrote."""

from io import StringIO
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import webvtt
from cue_readers import Read, cues_of
from transcripts import BYE, GOOD_DAY, LOST, PLAIN, SEGMENTS, ours, segment, word
from ttconv.imsc import reader as imsc
from ttconv.isd import ISD
from ttconv.model import Br, ContentDocument, Text
from ttconv.scc import reader as scc

from tasks.formats.subtitles.scc import EXTENDED, SPECIAL, NotInCaptions

VOICE = {**PLAIN, "speaker_labels": "voice"}
NONE = {**PLAIN, "speaker_labels": "none"}
READABLE = {**PLAIN, "readable": {}}
TWO_FRAMES_MS = 67
"""The programs round to a frame, each in its own way."""
THEIRS = str.maketrans("━ʌ", "—^")
"""Characters that ttconv has for those of CTA-608 that look like them."""


def by_ttconv(document: ContentDocument) -> Read:
    """Return what is shown when, in milliseconds, as the reference converter of the W3C's editors has it."""
    shown: Read = []
    moments = ISD.generate_isd_sequence(document)
    for (start, screen), end in zip(moments, [*[time for time, _ in moments[1:]], None], strict=True):
        parts = [each for region in screen.iter_regions() for each in region.dfs_iterator()]
        text = "".join(
            "\n" if isinstance(each, Br) else each.get_text() for each in parts if isinstance(each, Br | Text)
        )
        if text and end is not None:
            shown.append((round(1000 * start), round(1000 * end), text))
    return shown


def ttml_by_ttconv(content: bytes) -> Read:
    """Return the cues of an IMSC document."""
    document = imsc.to_model(ET.ElementTree(ET.fromstring(content)))
    assert document is not None
    return by_ttconv(document)


ARABIC = segment(10.0, 12.0, "مرحبا بكم.", speaker="A", words=[])


@pytest.mark.parametrize("layout", [PLAIN, READABLE, NONE, {**PLAIN, "highlight_words": True}])
def test_ttml_shows_what_the_other_subtitles_show(layout: Any) -> None:
    """The same texts at the same times, with what is markup elsewhere as plain text."""
    odd = segment(8.0, 9.5, "a < b & <i>c</i>", speaker="Doe & Co", words=[])
    segments = [GOOD_DAY, LOST, BYE, odd, ARABIC]
    content = ours("ttml", segments, layout)
    expected = [
        (start, end, text.replace(" \n", "\n").replace("<u>", "").replace("</u>", ""))
        for start, end, text in cues_of("srt", ours("srt", segments, layout))
    ]
    assert ttml_by_ttconv(content) == expected


def test_ttml_is_imsc_with_an_agent_for_each_speaker() -> None:
    """Named in its head, and at each of their cues; text from right to left says so."""
    content = ours("ttml", [*SEGMENTS, ARABIC], VOICE, title="a <talk>", language="ar")
    root = ET.fromstring(content)
    names = {"tt": "http://www.w3.org/ns/ttml", "ttm": "http://www.w3.org/ns/ttml#metadata"}
    space = "{http://www.w3.org/ns/ttml#"
    parameter, metadata, styling = (f"{space}{each}}}" for each in ("parameter", "metadata", "styling"))
    assert root.get(f"{parameter}contentProfiles") == "http://www.w3.org/ns/ttml/profile/imsc1.1/text"
    assert root.findtext(".//ttm:title", namespaces=names) == "a <talk>"
    agents = {
        each.get("{http://www.w3.org/XML/1998/namespace}id"): each.findtext("ttm:name", namespaces=names)
        for each in root.iterfind(".//ttm:agent", names)
    }
    paragraphs = root.findall(".//tt:p", names)
    assert [agents[each.get(f"{metadata}agent")] for each in paragraphs] == ["A", "B", "A", "A"]
    assert [each.get(f"{styling}direction") for each in paragraphs] == [
        None,
        None,
        None,
        "rtl",
    ]
    assert [text for *_, text in ttml_by_ttconv(content)][:2] == ["Good day.", "♪ la la la la la la ♪"]
    assert b"speaker1" not in ours("ttml", SEGMENTS, NONE)


def test_a_vtt_voice_names_the_speaker_of_every_cue() -> None:
    """As WebVTT has it, with text that could be markup shown as it is; read by webvtt-py."""
    odd = segment(8.0, 9.0, "a < b & c", speaker="Doe > Co", words=[])
    read = webvtt.from_buffer(StringIO(ours("vtt", [GOOD_DAY, LOST, odd, segment(9.5, 10.0, "Hm.")], VOICE).decode()))
    assert [caption.voice for caption in read] == ["A", "B", "Doe &gt; Co", None]
    assert [caption.text for caption in read][:2] == ["Good day.", "♪ la la la la la la ♪"]
    assert read[2].raw_text == "<v Doe &gt; Co>a &lt; b &amp; c"
    assert read[3].raw_text == "Hm."
    (labelled,) = webvtt.from_buffer(StringIO(ours("vtt", [odd], READABLE).decode()))
    assert labelled.raw_text == "[Doe &gt; Co]: a &lt; b &amp; c"


@pytest.mark.parametrize("name", ["srt", "vtt", "ttml", "scc", "ass"])
def test_speakers_can_be_left_out_of_all_subtitles(name: str) -> None:
    """And voices are kept as labels where a format has no voices."""
    without = ours(name, SEGMENTS, NONE)
    assert b"[A]" not in without
    assert without != ours(name, SEGMENTS, PLAIN)
    if name in {"srt", "scc"}:
        assert ours(name, SEGMENTS, VOICE) == ours(name, SEGMENTS, PLAIN)
    if name == "ass":
        fields = [text.split(",", 8)[2:4] for *_, text in cues_of("ass", without)]
        assert fields == [["Default", ""]] * 3


SENTENCES = ["Ärger über die Größe, ñandú à la carte!", "50% * [x] ♪♪ É ¡Olé! «oui» {a} ~ ^", "It's 'fine' — “so” ©"]


def captioned(content: bytes) -> Read:
    """Return the captions as ttconv reads them, without the spaces that centre the lines."""
    cues = by_ttconv(scc.to_model(content.decode()))
    plain = [(start, end, text.translate(THEIRS)) for start, end, text in cues]
    return [(start, end, "\n".join(line.strip() for line in text.split("\n"))) for start, end, text in plain]


def test_scc_shows_all_characters_of_captions() -> None:
    """Basic, special and extended ones, of which the last replace the one before them."""
    segments = [segment(5.0 * i, 5.0 * i + 3, text, words=[]) for i, text in enumerate(SENTENCES, start=1)]
    cues = captioned(ours("scc", segments))
    assert " ".join(" ".join(text.split()) for *_, text in cues) == " ".join(SENTENCES)
    # What bars and corners look like, programs do not agree on.
    alphabet = [each for each in [*SPECIAL, *EXTENDED] if each not in "\0\N{NO-BREAK SPACE}|│┌┐└┘"]
    segments = [segment(3.0 * i, 3.0 * i + 2, f"x{each}{each}x", words=[]) for i, each in enumerate(alphabet, start=1)]
    assert [text for *_, text in captioned(ours("scc", segments))] == [f"x{each}{each}x" for each in alphabet]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("It costs 100 € or 3 × 4.", "It costs 100 EUR or 3 x 4."),
        ("Œuvre de Łódź, Ærø", "OEuvre de Lódz, AErø"),
        ("1¾ cups and ⅓ of it", "1 3/4 cups and 1/3 of it"),
    ],
)
def test_scc_writes_out_what_captions_lack(text: str, shown: str) -> None:
    """No sign that is read as another, and no block for what ordinary text has."""
    (cue,) = captioned(ours("scc", [segment(2.0, 6.0, text, words=[])]))
    assert " ".join(cue[2].split()) == shown


def test_scc_has_readable_lines_of_its_width_at_their_times() -> None:
    """Also after an hour of drop-frame time code; no line is wider than the screen."""
    text = "The committee that was appointed by the president of the university has not yet published its findings."
    words = text.split()
    starts = [0.5, 61.0, 3599.0, 36_000.0]
    segments = [
        segment(
            start,
            start + 6,
            text,
            speaker="A",
            words=[word(w, start + i * 0.35, start + i * 0.35 + 0.3) for i, w in enumerate(words)],
        )
        for start in starts
    ]
    expected = cues_of("srt", ours("srt", segments, {**PLAIN, "readable": {"max_line_width": 32}}))
    cues = captioned(ours("scc", segments))
    assert [shown for *_, shown in cues] == [shown for *_, shown in expected]
    assert max(len(line) for *_, shown in cues for line in shown.split("\n")) <= 32
    late = [(start - wanted, wanted) for (start, *_), (wanted, *_) in zip(cues, expected, strict=True)]
    assert all(abs(each) <= TWO_FRAMES_MS for each, wanted in late if wanted > 10_000)
    assert all(-TWO_FRAMES_MS <= each <= 1100 for each, _ in late)  # the first is being sent until then


def test_scc_loses_no_caption_however_fast_they_follow() -> None:
    """A caption that cannot be sent in time is late; converters drop it."""
    texts = [f"Number {i} is a line of text here." for i in range(20)]
    segments = [segment(i * 0.5, i * 0.5 + 0.4, text, speaker=f"S{i % 2}", words=[]) for i, text in enumerate(texts)]
    layout = {**NONE, "readable": {"min_duration": 0.1, "max_cps": 99}}
    cues = captioned(ours("scc", segments, layout))
    assert [" ".join(text.split()) for *_, text in cues] == texts


def test_scc_of_other_scripts_is_refused() -> None:
    """By name and with what to do; a single sign that captions do not have is shown as a block."""
    with pytest.raises(NotInCaptions, match=r"this transcript \(ru\) has others: leave scc out"):
        ours("scc", [segment(0, 2, "Добрый день всем", words=[])], language="ru")
    long = "This is a long sentence, and one sign 語 in it is not known."
    (cue,) = captioned(ours("scc", [segment(2.0, 6.0, long, words=[])]))
    assert "".join(cue[2].split()) == "".join(long.replace("語", "█").split())
