"""tasks/formats/html: pages in a real browser."""

import html
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import chromium, opened, wait_until
from conftest import TWO_SPEAKERS
from playwright.sync_api import Browser, Page
from transcripts import segment, word

from tasks.audio.types import AudioFile
from tasks.quality.transcript import Finding
from tasks.quality.verdict import Decision, Quality
from tasks.storage.outputs import OutputPath
from tasks.transcribe import Transcript
from tasks.write import WriteOptions, write

FOX = [
    segment(
        *(0.2, 1.4, "The quick brown fox"),
        speaker="A",
        words=[word("The", 0.2, 0.4), word("quick", 0.4, 0.8), word("brown", 0.8, 1.1), word("fox", 1.1, 1.4)],
    ),
    segment(1.5, 3.0, "jumps over the dog.", speaker="B", words=[]),
]
FINDINGS = [
    Finding("language", "another language"),
    Finding("missing", "0.9 s of speech without text", 3.1, 4.0),
    Finding("invented", "repeated", 0.4, 1.1, "quick brown"),
]
MARKUP = "</script><img src=x onerror=alert(1)>'\"&<b>"


def page_of(
    folder: Path,
    segments: list[dict[str, Any]],
    *,
    language: str = "en",
    findings: list[Finding] | None = None,
    name: str = "fox",
    path: str = "",
    second_pass: list[Decision] | None = None,
    **options: Any,
) -> Path:
    """Write the page of a recording as a run does, and return its path; the recording is in another folder."""
    recording = folder / "recordings" / f"{name}.wav"
    recording.parent.mkdir(exist_ok=True)
    shutil.copy(TWO_SPEAKERS, recording)
    quality = None if findings is None else Quality("check", [], findings, 4.0, 3.0, second_pass or [])
    output = OutputPath(str(folder / "out"), "", f"{name}.{{format}}")
    file = AudioFile(path or str(recording), f"{name}.wav", 4.0)
    asked = WriteOptions(output_format="html", **options)
    write.fn(file, output, Transcript(language, {"segments": segments}), None, asked, None, quality=quality)
    return folder / "out" / f"{name}.html"


@pytest.fixture(scope="module", name="browser")
def _browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(name="fox")
def _fox(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """The page of a recording, with doubts."""
    with opened(browser, page_of(tmp_path, FOX, findings=FINDINGS)) as page:
        wait_until(page, "audio.readyState > 0")
        yield page


def playing(page: Page) -> bool:
    """Return whether the recording plays."""
    return not page.evaluate("audio.paused")


def at(page: Page) -> float:
    """Return where the recording is, in seconds."""
    return float(page.evaluate("audio.currentTime"))


def test_a_click_on_a_word_plays_the_recording_from_there(fox: Page) -> None:
    """The word that is said is marked; a word without times is played from about its time."""
    fox.get_by_text("brown", exact=True).first.click()
    wait_until(fox, "audio.currentTime > 0.9")
    assert playing(fox)
    wait_until(fox, "document.querySelector('.now').textContent == 'fox'")
    fox.get_by_text("over", exact=True).click()
    wait_until(fox, "audio.currentTime > 1.87")
    assert fox.locator(".now").text_content() == "over"


def test_the_keyboard_plays_goes_back_and_changes_the_speed(fox: Page) -> None:
    """Also where the player of the browser has the focus, whose own keys do something else."""
    fox.get_by_text("dog.", exact=True).click()
    wait_until(fox, "audio.currentTime > 2.63")
    fox.locator("audio").focus()
    fox.keyboard.press("Space")
    wait_until(fox, "audio.paused")
    fox.evaluate("audio.currentTime = 3.5")
    fox.keyboard.press("ArrowLeft")
    assert at(fox) == pytest.approx(0.5, abs=0.01)
    fox.keyboard.press("+")
    assert fox.evaluate("audio.playbackRate") == 1.25
    fox.keyboard.press("-")
    fox.keyboard.press("-")
    assert (fox.evaluate("audio.playbackRate"), fox.locator("#speed").input_value()) == (0.75, "0.75")
    fox.keyboard.press("Space")
    wait_until(fox, "!audio.paused")


def test_search_finds_text_across_words(fox: Page) -> None:
    """In any case; Enter goes on; a key of the player is a letter in the field."""
    fox.keyboard.press("/")
    fox.keyboard.type("Fo")
    assert fox.locator("#found").text_content() == "1 of 1"
    fox.locator("#search").fill("QUICK  brown")
    assert fox.evaluate("[...CSS.highlights.get('current')].map(String)") == ["quick brown"]
    fox.locator("#search").fill("the")
    assert fox.locator("#found").text_content() == "1 of 2"
    fox.keyboard.press("Enter")
    assert fox.locator("#found").text_content() == "2 of 2"
    fox.locator("#search").fill("n p")
    assert (fox.locator("#found").text_content(), playing(fox)) == ("0 of 0", False)
    fox.keyboard.press("Escape")
    assert fox.evaluate("CSS.highlights.get('found').size") == 0


def test_a_doubt_of_a_channel_is_marked_in_its_own_words(tmp_path: Path) -> None:
    """And not in those of who speaks meanwhile; in all of that time if nobody has its name, or the doubt has none."""
    talk = [
        segment(0.2, 1.0, "Hello there", speaker="A", words=[word("Hello", 0.2, 0.5), word("there", 0.5, 1.0)]),
        segment(0.3, 1.0, "Good day", speaker="B", words=[word("Good", 0.3, 0.6), word("day", 0.6, 1.0)]),
    ]
    talk.append(segment(0.9, 1.0, "Yes", words=[word("Yes", 0.9, 1.0)]))  # in no turn of a diarization
    everything = ["Hello there", "Good day", "Yes"]
    for speaker, expected in (("B", ["Good day"]), ("Room", everything), (None, everything)):
        doubt = Finding("invented", "odd", 0.3, 1.0, "odd", speaker=speaker)
        page = page_of(tmp_path, talk, findings=[doubt], name=str(speaker)).read_text()
        marked = re.findall("<mark[^>]*>(.*?)</mark>", page, re.DOTALL)
        assert [" ".join(re.sub("<[^>]*>", "", each).split()) for each in marked] == expected


def test_doubts_are_marked_with_their_reasons(fox: Page) -> None:
    """In the text, at the gap, and in a list whose times are played; n goes to the next."""
    assert fox.locator("mark").evaluate_all("all => all.map((each) => [each.textContent.trim(), each.title])") == [
        ["quick brown", "repeated"]
    ]
    assert fox.locator(".gap").text_content() == "0.9 s of speech without text2"
    assert fox.locator("#doubts li").all_text_contents() == [
        "whole file language: another language",
        "0:00:03 missing: 0.9 s of speech without text",
        "0:00:00 invented: repeated quick brown",
    ]
    fox.locator("#doubts button").first.click()
    wait_until(fox, "audio.currentTime > 3.11")
    fox.keyboard.press("Space")
    fox.keyboard.press("p")
    assert at(fox) < 1.0
    fox.keyboard.press("n")
    assert at(fox) > 3.0


def test_what_a_second_pass_has_decided_is_listed(browser: Browser, tmp_path: Path) -> None:
    """With the texts of both passes, and a time that is played."""
    decisions = [
        Decision(0.4, 1.1, ["repeated"], taken=True, why="less is in doubt", before="q q", after=MARKUP, decoded=[]),
        Decision(3.1, 4.0, ["missing"], taken=False, why="no words", before="", after="", decoded=[]),
    ]
    with opened(browser, page_of(tmp_path, FOX, findings=[], second_pass=decisions)) as page:
        page.locator("#second-pass summary").click()
        assert page.locator("#second-pass summary").text_content() == "Heard again: 2, of which changed: 1"
        assert page.locator("#second-pass li").all_text_contents() == [
            f"0:00:00 changed: less is in doubt. q q; second pass: {MARKUP}",
            "0:00:03 kept: no words. no text; second pass: no text",
        ]
        page.locator("#second-pass button").last.click()
        wait_until(page, "audio.currentTime > 3.1 && !audio.paused")


def test_light_and_dark(fox: Page, browser: Browser, tmp_path: Path) -> None:
    """As the system has it, until another is chosen."""
    colours = []
    for _ in range(3):
        colours.append(fox.evaluate("getComputedStyle(document.body).backgroundColor"))
        fox.locator("#theme").click()
    assert colours[0] == colours[1] == "rgb(255, 255, 255)"
    assert colours[2] == "rgb(22, 24, 28)"
    with browser.new_context(color_scheme="dark") as context:
        page = context.new_page()
        page.goto((tmp_path / "out" / "fox.html").as_uri())
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == colours[2]
        page.emulate_media(media="print")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == colours[0]
        assert page.locator("#bar").is_hidden()


def test_texts_and_names_are_shown_and_not_obeyed(browser: Browser, tmp_path: Path) -> None:
    """The recording is found under an odd name."""
    name = "50% #1? 'a' \"b\" <i>&é"
    odd = [segment(0.2, 1.4, MARKUP, speaker=MARKUP, words=[word(MARKUP, 0.2, 1.4)]), segment(1.5, 2.0, MARKUP)]
    found = [Finding("invented", MARKUP, 0.2, 1.4, MARKUP), Finding("sound", MARKUP, 3.0, 3.5)]
    with opened(browser, page_of(tmp_path, odd, findings=found, name=name, provenance=True)) as page:
        wait_until(page, "audio.readyState > 0")
        assert page.title() == page.locator("h1").text_content() == name
        assert page.locator("main p").first.text_content() == f" {MARKUP}1"
        assert page.locator("img, main b, main i").count() == 0
        assert page.locator("mark").get_attribute("title") == MARKUP


def test_what_slips_in_loads_nothing(browser: Browser, tmp_path: Path) -> None:
    """By the policy of the page."""
    slipped = """
        new Promise((resolve) => {
          document.addEventListener("securitypolicyviolation", (event) => resolve(event.effectiveDirective));
          document.body.innerHTML += '<img src="https://pages.invalid/x.png">';
          setTimeout(() => resolve("nothing was stopped"), 5000);
        })"""
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(page_of(tmp_path, FOX).as_uri())
        assert page.evaluate(slipped) == "img-src"


def test_more_speakers_than_colours_are_counted(browser: Browser, tmp_path: Path) -> None:
    """Each with its name; text that is being selected is not played."""
    talk = [segment(i, i + 0.9, "Hm.", speaker=f"S{i}", words=[word("Hm.", i, i + 0.9)]) for i in range(11)]
    with opened(browser, page_of(tmp_path, talk)) as page:
        assert "11 speakers" in (page.locator(".facts").text_content() or "")
        assert page.locator("h2 bdi").all_text_contents() == [f"S{i}" for i in range(11)]
        page.evaluate("getSelection().selectAllChildren(document.querySelector('main'))")
        page.evaluate("document.querySelectorAll('span[data-t]')[4].click()")
        assert at(page) == 0
        page.evaluate("document.querySelectorAll('h2 button')[4].click()")
        assert at(page) >= 4


def test_text_from_right_to_left(browser: Browser, tmp_path: Path) -> None:
    """The page's text runs the other way, also where a paragraph does not."""
    arabic = segment(
        0.0, 1.0, "مرحبا بالعالم.", speaker="A", words=[word("مرحبا", 0.0, 0.4), word("بالعالم.", 0.5, 1.0)]
    )
    with opened(browser, page_of(tmp_path, [arabic, segment(1.0, 2.0, "OK then", speaker="B")], language="ar")) as page:
        assert page.locator("main").get_attribute("lang") == "ar"
        assert page.locator("main p").evaluate_all("all => all.map((each) => getComputedStyle(each).direction)") == [
            "rtl",
            "ltr",
        ]
        first, second = (box["x"] for n in (0, 1) if (box := page.locator("main span[data-t]").nth(n).bounding_box()))
        assert first > second


def test_japanese_has_no_spaces_between_its_words() -> None:
    """And a page has all of the text, in every order of times."""
    from tasks.formats.html.page import html as encode
    from tasks.formats.html.recording import Recording
    from tasks.formats.provenance import Provenance

    spoken = [{"word": each, "start": i / 10, "end": (i + 1) / 10} for i, each in enumerate("今日はいい天気")]
    said = [segment(0.0, 0.7, "今日は、いい天気。", words=spoken), segment(0.8, 1.0, "はい")]
    for each in said:
        each["text"] = each["text"].strip()
    made = encode({"segments": said, "language": "ja"}, {}, "a", 1.0, Provenance(), None, Recording()).decode()  # type: ignore[typeddict-item]
    main = made.partition("<main")[2].partition("</main>")[0]
    text = html.unescape(re.sub(r"<[^>]*>", "", main.partition("<p")[2].partition(">")[2]))
    assert text.strip() == "今日は、いい天気。はい"


def test_a_page_without_a_recording_says_why(browser: Browser, tmp_path: Path) -> None:
    """One in a store is not fetched; one that was moved away is missed."""
    for path, why in (("s3://calls/fox.wav", "in a store"), ("/moved/away.wav", "not there any more")):
        with opened(browser, page_of(tmp_path, FOX, path=path)) as page:
            page.locator("#problem").wait_for()
            assert why in (page.locator("#problem").text_content() or "")
            page.get_by_text("brown", exact=True).click()
            page.keyboard.press("Space")
            page.keyboard.press("n")
            assert page.locator("audio").count() == int("moved" in path)


def test_without_a_player_the_keyboard_reaches_every_doubt(browser: Browser, tmp_path: Path) -> None:
    """Also beyond one that begins between two words."""
    found = [Finding("missing", "no text", start, start + 0.1) for start in (0.9, 1.45, 3.1)]
    with opened(browser, page_of(tmp_path, FOX, findings=found, path="s3://calls/fox.wav")) as page:
        marked = []
        for key in "nnnpp":
            page.keyboard.press(key)
            marked.append(page.locator(".now").text_content())
        assert marked == ["brown", "fox", "dog.", "fox", "brown"]


def test_a_transcript_without_text_has_a_page(browser: Browser, tmp_path: Path) -> None:
    """Which can play the recording."""
    with opened(browser, page_of(tmp_path, [], findings=FINDINGS[:2])) as page:
        wait_until(page, "audio.readyState > 0")
        assert page.locator("main").text_content().strip() == "No text."  # type: ignore[union-attr]
