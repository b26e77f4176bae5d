"""Named speakers, from the recordings to the transcripts: real voices, the real commands."""

import csv
import json
import subprocess
import wave
from pathlib import Path
from typing import Any

import pytest
from conftest import COMMAND

from tasks.audio.decoding import decode
from tasks.audio.types import SAMPLE_RATE

AMI = Path(__file__).parents[2] / "data" / "ami"
MEETINGS = {"trn03": "MÉO069", "trn05": "FEE078", "trn06": "FEE083"}
"""Excerpts of meetings in which one person says nearly everything."""


def part(meeting: str, which: int, path: Path) -> None:
    """Write the first or the last 20 s of an excerpt: in 15 s nobody says 10 s alone."""
    samples = decode(str(AMI / f"{meeting}.flac"))[which * 10 * SAMPLE_RATE : (which * 10 + 20) * SAMPLE_RATE]
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes(samples.tobytes())


class Archive:
    """A folder of recordings, and the commands that work on it."""

    def __init__(self, folder: Path, options: list[str], environ: dict[str, str]) -> None:
        self.folder, self.options, self.environ = folder, options, environ
        self.out = folder / "out"

    def transcribe(self, *options: str) -> dict[str, Any]:
        """Run the command; return its report."""
        report = self.folder / "report.json"
        command = [COMMAND, str(self.folder / "speech"), "-o", str(self.out), "--report", str(report)]
        self.run(*command, *self.options, *options)
        found: dict[str, Any] = json.loads(report.read_text())
        return found

    def run(self, *command: str) -> str:
        """Run a command that succeeds; return what it says."""
        done = subprocess.run(command, env=self.environ, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def speakers(self, name: str) -> set[str]:
        """Return who speaks in a transcript."""
        result = json.loads((self.out / f"{name}.json").read_text())
        return {segment["speaker"] for segment in result["segments"] if "speaker" in segment}


@pytest.fixture(name="archive")
def _archive(real_diarizer: Path, tiny_en: str, alone: dict[str, str], tmp_path: Path) -> Archive:
    """Two parts of three meetings."""
    for meeting in MEETINGS:
        for which in (0, 1):
            part(meeting, which, tmp_path / "speech" / f"{meeting}-{which}.wav")
    options = ["--model", tiny_en, "--language", "en", "--compute_type", "int8", "--diarize", "--device", "cpu"]
    options += ["--diarize_model", "campplus", "--model_dir", str(real_diarizer), "--offline"]
    options += ["--no_align", "--output_format", "json,quality"]
    return Archive(tmp_path, options, alone)


def test_people_are_named_in_all_files(archive: Archive) -> None:
    """Grouped, named in the table, written by a run that loads no model; then known from a sample of their voice."""
    archive.transcribe()
    people = archive.out / "speakers"
    assert "6 files" in archive.run(f"{COMMAND}-speakers", str(archive.out))
    rows = list(csv.DictReader((people / "speakers.csv").read_text("utf-8-sig").splitlines()))
    in_both = [row for row in rows if row["files"] == "2"]
    assert len(in_both) == 3, rows
    for row in in_both:
        row["name"] = MEETINGS[Path(row["file"]).stem[:5]]
    with (people / "speakers.csv").open("w", newline="", encoding="utf-8") as written:
        table = csv.DictWriter(written, list(rows[0]))
        table.writeheader()
        table.writerows(rows)

    report = archive.transcribe("--speakers", str(people))
    assert report["summary"]["model_loads"] == {}
    for meeting, name in MEETINGS.items():
        for which in (0, 1):
            assert name in archive.speakers(f"{meeting}-{which}")
            assert not (set(MEETINGS.values()) - {name}) & archive.speakers(f"{meeting}-{which}")
            result = json.loads((archive.out / f"{meeting}-{which}.json").read_text())
            assert name in result["speaker_names"].values()
            [named] = [match for match in quality(archive, f"{meeting}-{which}") if match["name"] == name]
            assert named["sure"]
            assert result["speaker_names"][named["label"]] == name
    again = archive.transcribe("--speakers", str(people))
    assert again["summary"]["skipped"] == 6, "all have their names"
    assert all(
        match["name"] in (*MEETINGS.values(), match["person"]) for file in again["files"] for match in file["people"]
    )

    archive.run(f"{COMMAND}-speakers", str(archive.out), "--forget", "FEE078")
    rewritten = archive.transcribe("--speakers", str(people))
    assert rewritten["summary"]["done"] == 2
    for name in ("trn05-0", "trn05-1"):
        assert any(speaker.startswith("SPEAKER_") for speaker in archive.speakers(name))
        assert "FEE078" not in (archive.out / f"{name}.json").read_text()

    part("trn05", 0, archive.folder / "known" / "Dame Ada" / "sample.wav")
    archive.transcribe("--speakers", str(archive.folder / "known"), "--overwrite")
    assert "Dame Ada" in archive.speakers("trn05-1")
    assert not any(
        "Dame Ada" in archive.speakers(f"{meeting}-{which}") for meeting in ("trn03", "trn06") for which in (0, 1)
    )


def quality(archive: Archive, name: str) -> list[dict[str, Any]]:
    """Return who the speakers are by the format `quality`."""
    found: list[dict[str, Any]] = json.loads((archive.out / f"{name}.quality.json").read_text())["people"]
    return found
