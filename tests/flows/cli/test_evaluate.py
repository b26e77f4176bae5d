"""The command `whisperx-batch-evaluate`, from the outputs of a run to tables, JSON and a page."""

import json
import os
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from conftest import COMMAND, TWO_SPEAKERS

from tasks.diarize import Diarization
from tasks.formats import EXTENSIONS, encode
from tasks.formats.writers import Layout
from tasks.transcribe import Transcript

PLAIN = Layout(max_line_width=None, max_line_count=None, highlight_words=False)
STM = TWO_SPEAKERS.with_suffix(".stm")
ODD = "<img src=x>"
"""The name of a recording that a page must show and not obey."""
NOT_UTF_8 = "caf\udce9"
"""Another, whose bytes are not UTF-8."""


def write_outputs(
    folder: Path, name: str, segments: list[dict[str, Any]], formats: tuple[str, ...] = ("json",)
) -> None:
    """Write the outputs of a run for one recording, with the real writers."""
    turns = [(each["start"], each["end"], each["speaker"]) for each in segments if "speaker" in each]
    transcript = Transcript("en", {"segments": segments})
    for each in formats:
        content = encode(each, transcript, Diarization(turns), PLAIN, name, 30.0)
        (folder / f"{name}.{EXTENSIONS[each]}").write_bytes(content)


def call() -> list[dict[str, Any]]:
    """Return the telephone call of the STM as a run's segments, with one word wrong and one sentence lost."""
    lines = [line.split(maxsplit=5) for line in STM.read_text().splitlines()]
    segments = [
        {"start": float(start), "end": float(end), "text": f" {text}", "speaker": f"SPEAKER_{speaker == 'Diane':02}"}
        for _, _, speaker, start, end, text in lines
    ]
    segments[0]["text"] = " Yellow?"
    return [each for each in segments if "Neither did I" not in each["text"]]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run(
        [f"{COMMAND}-evaluate", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120
    )


class Tags(HTMLParser):
    """Collects the tags and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag, which is to load nothing."""
        self.tags.add(tag)
        assert not {name for name, _ in attrs} & {"src", "href", "onerror"}

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.text += data


@pytest.fixture(scope="module", name="folders")
def _folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder of outputs and one of references, of which one is missing and one wrong."""
    out, right = tmp_path_factory.mktemp("out"), tmp_path_factory.mktemp("right")
    write_outputs(out, "call", call(), ("json", "srt", "rttm"))
    write_outputs(out, ODD, [{"start": 0.0, "end": 1.0, "text": " so <b> it is"}])
    write_outputs(out, "other", [{"start": 0.0, "end": 1.0, "text": " Hello."}])
    write_outputs(out, "broken", [])
    (right / "call.stm").write_bytes(STM.read_bytes())
    (right / f"{ODD}.txt").write_text("so <b> it was")
    (out / f"{NOT_UTF_8}.txt").write_text("well")
    (right / f"{NOT_UTF_8}.txt").write_text("well")
    write_outputs(out, "silent", [])
    (right / "silent.rttm").write_text("SPEAKER silent 1 0.0 1.0 <NA> <NA> A <NA> <NA>\n")
    (right / "gone.txt").write_text("hello")
    (right / "broken.srt").write_text("hello")
    return out, right


def test_a_run_is_scored(folders: tuple[Path, Path], tmp_path: Path) -> None:
    """Each file, each language and all; with what has no reference, or no transcript, and the collars."""
    out, right = folders
    ran = run(out, right, "--der_collar", "0.25", "--json", tmp_path / "a.json", "--html", tmp_path / "a.html")
    assert ran.returncode == 1
    assert "tcpWER (collar 5 s)" in ran.stdout
    assert "DER (collar 0.25 s)" in ran.stdout
    assert "(English)" in ran.stdout
    assert f"whisperx-batch-evaluate: {right / 'broken.srt'}: there is no subtitle in it" in ran.stderr
    assert f"whisperx-batch-evaluate: gone: there is no transcript of it in {out}" in ran.stderr
    assert "whisperx-batch-evaluate: silent: there is nothing to compare" in ran.stderr
    assert "2 transcripts without a reference" in ran.stderr

    figures = json.loads((tmp_path / "a.json").read_text())
    files = {each["name"]: each for each in figures["files"]}
    wrong = {"substitutions": 1, "deletions": 3, "insertions": 0}
    assert {kind: files["call"]["wer"][kind] for kind in wrong} == wrong
    assert files["call"]["cpwer"]["errors"] == files["call"]["tcpwer"]["errors"] == 4
    assert files["call"]["der"]["missed"] > 0
    assert set(files[ODD]) == {"name", "language", "normalizer", "wer", "cer"}
    total = files["call"]["wer"]["length"] + files[ODD]["wer"]["length"] + 1
    assert figures["languages"]["en"]["wer"]["length"] == total - 1
    assert figures["languages"]["unknown"]["wer"]["rate"] == files[NOT_UTF_8]["wer"]["rate"] == 0
    assert (figures["all"]["wer"]["errors"], figures["all"]["wer"]["length"]) == (5, total)
    assert len(figures["problems"]) == 3

    page = Tags((tmp_path / "a.html").read_text())
    assert {"table", "details", "del", "ins"} <= page.tags
    assert not {"img", "script", "link", "b", "iframe"} & page.tags
    assert ODD in page.text
    for shown in (ran.stdout, page.text):
        assert "caf\\udce9" in shown
    assert f"{figures['all']['wer']['rate']:.1%}" in page.text
    assert "gone: there is no transcript" in page.text


def test_files_are_written_although_nobody_reads_the_tables(folders: tuple[Path, Path], tmp_path: Path) -> None:
    """As with `| head`."""
    closed, pipe = os.pipe()
    os.close(closed)
    subprocess.run([f"{COMMAND}-evaluate", *folders, "--json", tmp_path / "a.json"], stdout=pipe, check=False)
    os.close(pipe)
    assert json.loads((tmp_path / "a.json").read_text())["files"]


def test_two_files_are_compared(folders: tuple[Path, Path]) -> None:
    """All that is named is scored: 0."""
    ran = run(folders[0] / "call.srt", STM, "--language", "english")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "cpWER" in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing"], "missing: there is no such file or folder"),
        ([STM, "--language", "klingon"], "argument --language: Whisper knows no language 'klingon'"),
        ([STM, "--collar", "-1"], "argument --collar: invalid seconds value: '-1'"),
    ],
)
def test_a_wrong_command_is_refused(folders: tuple[Path, Path], arguments: list[Any], message: str) -> None:
    """With 2, and one line that says why."""
    ran = run(folders[0], *arguments)
    assert ran.returncode == 2
    assert message in ran.stderr.splitlines()[-1]
    assert ran.stdout == ""
