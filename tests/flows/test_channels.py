"""Recordings with a speaker on each channel, in a real run: beside files of the same sound that are not split."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SAMPLES, TWO_SPEAKERS
from runs import Done, run_batch, transcribing
from sound_files import ffmpeg, placed, write_wav

from tasks.audio.decoding import decode
from tasks.audio.types import SAMPLE_RATE

pytestmark = pytest.mark.usefixtures("one_ray", "api_url")


@pytest.fixture(scope="module", name="manifest")
def _manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A call, each of its sides as a file of its own, and one side as a recording of two channels."""
    folder = tmp_path_factory.mktemp("calls")
    call = decode(str(TWO_SPEAKERS))
    fox, count, hello = (
        decode(str(SAMPLES / "en" / f"{name}.wav")) for name in ("quick_brown_fox", "counting", "hello_world")
    )
    agent = placed(12, (0.5, fox), (7.0, count))
    customer = placed(12, (2.0, call[7 * SAMPLE_RATE : 12 * SAMPLE_RATE]), (10.2, hello))
    write_wav(folder / "call.wav", agent, customer)
    write_wav(folder / "agent.wav", agent)
    write_wav(folder / "customer.wav", customer)
    write_wav(folder / "call-auto.wav", agent, customer)
    write_wav(folder / "twice.wav", agent, agent)
    write_wav(folder / "twice-auto.wav", agent, agent)
    write_wav(folder / "silent.wav", agent, np.zeros_like(agent))
    whole = ffmpeg(folder / "whole.flac", "-i", folder / "agent.wav").read_bytes()
    (folder / "torn.flac").write_bytes(whole[: whole.index(b"\xff\xf8")])  # before its first frame
    rows = [
        ("agent.wav",),
        ("customer.wav",),
        ("call.wav", "split", "Agent,Customer"),
        ("call-auto.wav", "auto"),
        ("twice.wav",),
        ("twice-auto.wav", "auto"),
        ("silent.wav", "split"),
        ("customer.wav", "", "", "talk", "Grace", "0.5"),
        ("agent.wav", "", "", "talk", "Ada"),
        ("agent.wav", "", "", "torn", "Ada"),
        ("torn.flac", "", "", "torn", "Grace"),
    ]
    with (folder / "calls.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "channels", "channel_names", "group", "speaker", "offset"), *rows])
    return folder / "calls.csv"


def run(manifest: Path, out: Path, tiny_en: str, small_models: Path, **options: Any) -> Done:
    """Transcribe the files of a manifest."""
    return run_batch(
        manifest.parent,
        out,
        **{"transcribe": transcribing(tiny_en), "align": {"align_model": str(small_models / "align-tiny")}}
        | {"models": {"device": "cpu", "threads": 1}, "inputs": {"manifest": str(manifest)}}
        | {"write": {"output_dir": str(out), "output_format": "json,srt,rttm"}}
        | {"diarize": {"diarize_model": str(small_models / "diarize-tiny")}, **options},
    )


@pytest.fixture(scope="module", name="done")
def _done(manifest: Path, tiny_en: str, small_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """A run with diarization, so that files that are not split have speakers, too."""
    return run(manifest, tmp_path_factory.mktemp("out") / "out", tiny_en, small_models)


def words(done: Done, name: str, speaker: str | None = None) -> list[dict[str, Any]]:
    """Return the words of a transcript, of one speaker or of all, without the speakers."""
    found = json.loads((done.out / f"{name}.json").read_text())["word_segments"]
    spoken = [word for word in found if speaker in (None, word.get("speaker"))]
    return [{key: value for key, value in word.items() if key != "speaker"} for word in spoken]


@pytest.mark.parametrize(
    ("name", "agent", "customer"), [("call", "Agent", "Customer"), ("call-auto", "CHANNEL_0", "CHANNEL_1")]
)
def test_each_channel_says_what_its_own_file_says(done: Done, name: str, agent: str, customer: str) -> None:
    """Words, times and scores to the last digit, though both talk at once."""
    assert words(done, "agent")
    assert words(done, "customer")
    assert words(done, name, agent) == words(done, "agent")
    assert words(done, name, customer) == words(done, "customer")
    starts = [segment["start"] for segment in json.loads((done.out / f"{name}.json").read_text())["segments"]]
    assert starts == sorted(starts)


def test_the_speakers_are_in_all_formats_and_in_the_report(done: Done) -> None:
    """Under the names of the manifest; a channel without a name has its number."""
    assert done.file("call.wav")["speakers"] == 2
    assert done.file("silent.wav")["speakers"] == 1
    assert "[Customer]: " in (done.out / "call.srt").read_text()
    turns = (done.out / "call.rttm").read_text().splitlines()
    assert {line.split()[7] for line in turns} == {"Agent", "Customer"}
    assert json.loads((done.out / "call.json").read_text())["speaker_names"] == {
        "CHANNEL_0": "Agent",
        "CHANNEL_1": "Customer",
    }


def test_one_sound_on_both_channels_is_mixed_by_auto(done: Done) -> None:
    """Byte for byte as without it, with the speakers that diarization finds."""
    for format_ in ("json", "srt"):
        assert (done.out / f"twice-auto.{format_}").read_bytes() == (done.out / f"twice.{format_}").read_bytes()


def test_nothing_is_invented_on_a_silent_channel(done: Done) -> None:
    """The other one is transcribed as ever."""
    assert words(done, "silent", "CHANNEL_0") == words(done, "agent") == words(done, "silent")


def test_prefect_names_the_speakers_and_sees_no_diarization_of_split_files(done: Done) -> None:
    """With `auto`, it is not known before the file is decoded."""
    named = {stage: {run.name for run in runs} for stage, runs in done.tasks.items()}
    assert "call.wav · Agent, Customer" in named["transcribe"]
    assert named["transcribe"] - named["diarize"] == {"call.wav · Agent, Customer", "silent.wav", "talk · Grace, Ada"}


def test_tracks_of_a_group_say_what_their_own_files_say(done: Done) -> None:
    """At the times at which they begin; the files themselves are inputs, too."""
    assert words(done, "talk", "Ada") == words(done, "agent")
    later = [
        {key: round(value + 0.5, 3) if key in ("start", "end") else value for key, value in word.items()}
        for word in words(done, "customer")
    ]
    assert words(done, "talk", "Grace") == later
    assert done.file("talk")["speakers"] == 2
    assert done.file("talk")["duration_s"] == 12.5
    assert "talk · Grace, Ada" in {run.name for run in done.tasks["align"]}


def test_a_track_that_cannot_be_decoded_fails_its_group(done: Done) -> None:
    """By its name."""
    error = done.file("torn")["error"]
    assert "load audio" in error
    assert "torn.flac: its header promises audio, and there is none" in error


def test_a_later_run_does_what_is_asked_for_anew(done: Done, manifest: Path, tiny_en: str, small_models: Path) -> None:
    """A group without its bad track, of one with a new track that track alone; other names, without a model."""
    again = run(manifest, done.out, tiny_en, small_models)
    assert {file["status"] for file in again.report["files"]} == {"skipped", "failed"}
    assert again.file("torn")["failed_before"]
    results = done.out / ".whisperx-batch" / "results" / "align" / "v2"
    before = {path: path.stat().st_mtime_ns for path in results.iterdir()}
    write_wav(manifest.parent / "guest.wav", placed(5, (1, decode(str(SAMPLES / "en" / "counting.wav")))))
    rows = manifest.read_text().replace("Agent,Customer", "Ada,Grace")
    manifest.write_text(f"{rows}guest.wav,,,talk,Hedy,13\n")
    options = transcribing(tiny_en) | {"skip_bad_tracks": True}
    later = run(manifest, done.out, tiny_en, small_models, transcribe=options)
    redone = {Path(file["path"]).name for file in later.report["files"] if file["status"] == "done"}
    assert redone == {"call.wav", "talk", "torn"}
    assert later.file("call.wav")["timings_s"].keys() == {"write"}
    assert words(later, "call", "Grace") == words(done, "customer")
    assert words(later, "torn") == words(done, "agent")
    assert later.file("torn")["note"].startswith("left out: torn.flac: its header promises audio")
    assert words(later, "talk", "Hedy")
    after = {path: path.stat().st_mtime_ns for path in results.iterdir()}
    assert after.items() >= before.items()
    assert len(after) == len(before) + 3  # the guest, and the two groups as a whole
