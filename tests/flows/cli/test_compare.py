"""The command `whisperx-batch-compare`, on the output folders of two runs."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import COMMAND

SAID = "Well, it is twenty past six and the fox is not here, so we wait for it at the door."


def write_run(folder: Path, texts: dict[str, str], speakers: str, **outputs: Any) -> Path:
    """Write the transcripts of a run by their names, and other files of JSON.

    One speaker speaks for nine seconds of each, then one for a second; `voices` has these two speakers.
    """
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        said = [text[:31], text[31:]]
        times = [{"start": 0.0, "end": 9.0}, {"start": 9.0, "end": 10.0}]
        segments = [
            {"text": each, "speaker": speaker, **span}
            for each, span, speaker in zip(said, times, speakers if name == "voices" else "AA", strict=True)
        ]
        (folder / f"{name}.json").write_text(json.dumps({"segments": segments, "language": "en"}))
    for name, content in outputs.items():
        (folder / f"{name.replace('_', '.')}.json").write_text(json.dumps(content))
    return folder


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run(
        [f"{COMMAND}-compare", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture(scope="module", name="runs")
def _runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two runs of five files, which differ as their names say, and of a recording that is called report.

    Outputs for other programs are not read.
    """
    root = tmp_path_factory.mktemp("runs")
    good = {"verdict": "good", "speech_s": 10.0, "covered_s": 9.5}
    old = dict.fromkeys(("same", "spelt", "changed", "worse", "voices"), SAID)
    new = {**old, "spelt": SAID.replace("twenty", "20").lower(), "changed": SAID.replace("fox", "dog")}
    slow, quick = ({"files": [], "summary": {"audio_s": 3600.0, "wall_s": wall}} for wall in (1800, 900))
    for run_, text in (("old", "old"), ("new", "another")):
        (root / run_).mkdir()
        for program in ("maxqda", "atlasti", "nvivo"):
            (root / run_ / f"same.{program}.txt").write_text(text)
        (root / run_ / "report.txt").write_text(SAID)
    return (
        write_run(root / "old", old, "AA", worse_quality=good, report=slow),
        write_run(root / "new", new, "BC", worse_quality={**good, "verdict": "bad", "covered_s": 5.0}, report=quick),
    )


def test_what_differs_is_shown(runs: tuple[Path, Path], tmp_path: Path) -> None:
    """Words, speakers (whatever they are called), verdicts, coverage, speed; not what is only spelt differently."""
    ran = run(*runs, "--json", tmp_path / "a.json", "--max_difference", "0.02")
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in ran.stdout.splitlines()]
    assert "changed 20 5.0% 1 0.0% – –" in lines
    assert "worse 20 0.0% 1 0.0% good → bad 95% → 50%" in lines
    assert "… past 6 and the [-fox-]{+dog+} is not here so …" in lines
    assert not any(line.startswith(("same", "spelt", "report")) for line in lines)
    assert "voices 20 0.0% 1 → 2 10.0% – –" in lines
    assert "6 files compared, 3 differ" in lines
    assert "Words: 1 of 120 differ, 0.83%" in lines
    assert "Speakers: 1 of 50 seconds differ, 2.00%" in lines
    assert "Speed: 2 times real time → 4 times real time" in lines
    found = json.loads((tmp_path / "a.json").read_text())
    assert (found["words"]["errors"], found["turns"]["rate"]) == (1, 0.02)
    assert {each["name"]: each["words"]["errors"] for each in found["files"]}["spelt"] == 0
    assert found["speed"] == {"old": 2.0, "new": 4.0}


def test_beyond_the_limit_the_status_is_1(runs: tuple[Path, Path]) -> None:
    """And the last line says so."""
    ran = run(*runs, "--max_difference", "0.005")
    assert ran.returncode == 1
    assert ran.stderr == "whisperx-batch-compare: 0.83% of the words differ, more than 0.50%\n"


def test_files_that_the_new_run_lacks_are_named(runs: tuple[Path, Path], tmp_path: Path) -> None:
    """With 1; so are those that cannot be read. Nothing in common: 2. A run without new audio has no speed."""
    nothing = {"files": [], "summary": {"audio_s": 0, "wall_s": 1}}
    new = write_run(tmp_path / "new", {"same": SAID, "more": ""}, "AA", changed=["no transcript"], report=nothing)
    ran = run(runs[0], new)
    assert ran.returncode == 1
    assert "Speed" not in ran.stdout
    assert f"whisperx-batch-compare: spelt: it is in {runs[0]} and not in {new}" in ran.stderr.splitlines()
    assert f"whisperx-batch-compare: {new / 'changed.json'}: it is neither a transcript of WhisperX" in ran.stderr
    assert f"1 file only in {new}" in ran.stderr.splitlines()
    ran = run(runs[0], write_run(tmp_path / "other", {"other": SAID}, "AA"))
    assert ran.returncode == 2
    assert ran.stderr.splitlines()[-1].endswith("have no transcript in common")
