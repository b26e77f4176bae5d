"""Outputs with provisional word times: done for as long as no better method can be loaded."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from batches import batch_of, do, missing, planned
from sound_files import ffmpeg
from voices import recordings

from flows.config.parameters import Batch
from flows.state.folder import OutputFolder
from flows.state.ledger import FOLDER
from tasks.models.registry import aligner_version
from tasks.models.sources import Bundle
from tasks.transcribe import Transcript

AGAIN = {"0.wav": {"load audio", "align", "write"}}
ENGLISH = Bundle("WAV2VEC2_ASR_BASE_960H")


@pytest.fixture(name="speech")
def _speech(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A recording, and an empty folder of models."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    (tmp_path / "models").mkdir()
    return recordings(tmp_path / "speech", 1)


def offline(speech: Path, **options: Any) -> Batch:
    """Return a batch that has only the folder of models."""
    models = {"model_dir": str(speech.parent / "models"), "offline": True}
    return batch_of(speech, check=None, models=models, **options)


def fetch_aligner(speech: Path) -> None:
    """Put the aligner of English where torchaudio looks for it; nobody loads it here."""
    ENGLISH.file(str(speech.parent / "models")).write_bytes(b"weights")


def test_words_are_timed_again_once_the_aligner_is_there_and_not_before(speech: Path) -> None:
    """The file that is left as it is counts as skipped, and is known to be provisional also after that run."""
    batch = offline(speech)
    do(batch, "transcribe", "write", fallback="whisper")
    for _ in range(2):
        (file,) = planned(batch).values()
        assert (file.status, file.written and file.written.provisional) == ("skipped", True)
        assert file.record()["provisional"]
    fetch_aligner(speech)
    assert missing(batch) == AGAIN
    do(batch, "align", "write")
    (file,) = planned(batch).values()
    assert (file.status, file.written and file.written.provisional) == ("skipped", False)
    ENGLISH.file(str(speech.parent / "models")).unlink()
    assert missing(batch) == {}, "what an aligner has timed stays done without it"


def test_words_of_channels_in_two_languages_are_timed_again_once_the_aligner_is_there(speech: Path) -> None:
    """The one that was lacking: that of the other channel's language was there from the start."""
    dutch = speech.parent / "dutch"
    dutch.mkdir()
    (dutch / "config.json").touch()
    ffmpeg(speech / "0.wav", "-y", "-f", "lavfi", "-i", "sine=r=16000:d=1", "-ac", "2")
    split = {"model": "tiny", "channels": "split"}
    batch = offline(speech, transcribe=split, align={"align_model": f"nl={dutch}"})
    fetch_aligner(speech)
    made = [Transcript("en", {"segments": []}, ENGLISH.name), Transcript("nl", {"segments": []}, "whisper", True)]
    do(batch, "transcribe", "write", fallback=f"{ENGLISH.name}, whisper", parts=made)
    assert missing(batch) == {}
    for name in ("preprocessor_config.json", "vocab.json", "model.safetensors"):
        (dutch / name).touch()
    assert missing(batch) == AGAIN


def test_an_aligner_that_does_not_load_is_tried_once_for_a_version_of_its_files(speech: Path) -> None:
    """Each further run would decode the audio for the same words."""
    batch = offline(speech)
    fetch_aligner(speech)
    tried = aligner_version("en", ENGLISH.name, batch.models.model_dir)
    do(batch, "transcribe", "write", fallback="whisper", broken={ENGLISH.name: tried})
    assert missing(batch) == {}
    ENGLISH.file(str(speech.parent / "models")).write_bytes(b"other weights")
    assert missing(batch) == AGAIN
    ENGLISH.file(str(speech.parent / "models")).unlink()
    assert missing(batch) == {}


def test_other_options_and_formats_are_for_the_next_run_as_ever(speech: Path) -> None:
    """Only what was written for these options is kept."""
    do(offline(speech), "transcribe", "write", fallback="whisper")
    assert missing(offline(speech, align={"interpolate_method": "linear"})) == AGAIN
    out = str(speech.parent / "out")
    assert missing(offline(speech, write={"output_dir": out, "output_format": "txt"})) == {}
    assert missing(offline(speech, write={"output_dir": out, "output_format": "docx"})) == AGAIN


def test_they_are_known_after_a_crash(speech: Path) -> None:
    """By the write-ahead note."""
    batch = offline(speech)
    do(batch, "transcribe")
    ledger = speech.parent / "out" / FOLDER / "ledger.jsonl"
    before = ledger.read_bytes()
    do(batch, "write", fallback="whisper")
    ledger.write_bytes(before)
    assert missing(batch) == {}
    fetch_aligner(speech)
    assert missing(batch) == AGAIN


def test_a_ledger_of_before_has_its_words_timed_again_once(speech: Path) -> None:
    """It does not say which outputs are provisional: they have no key, as those of unknown options."""
    batch = offline(speech)
    do(batch, "transcribe", "write", fallback="whisper")
    ledger = speech.parent / "out" / FOLDER / "ledger.jsonl"
    rows = [json.loads(line) for line in ledger.read_text().splitlines()]
    for row in rows:
        row["written"] = dict(zip([""], row.get("written", {}).values(), strict=False))
    ledger.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    shutil.rmtree(ledger.parent / "writing")
    assert missing(batch) == AGAIN
    do(batch, "write", fallback="whisper")
    assert missing(batch) == {}


def test_a_correction_stays_when_the_words_are_timed_again(speech: Path) -> None:
    """The other outputs are written anew; then the file is done."""
    batch = offline(speech)
    do(batch, "transcribe", "write", fallback="whisper")
    corrected = speech.parent / "out" / "0.txt"
    corrected.write_text("Corrected by hand.\n")
    fetch_aligner(speech)
    assert missing(batch) == AGAIN
    do(batch, "align", "write")
    assert corrected.read_text() == "Corrected by hand.\n"
    assert missing(batch) == {}


@pytest.mark.parametrize(("address", "left"), [("head:6379", AGAIN), ("127.0.0.1:6379", {})])
def test_what_the_machines_of_a_cluster_can_load_is_not_known_here(
    speech: Path, monkeypatch: pytest.MonkeyPatch, address: str, left: dict[str, set[str]]
) -> None:
    """They try; a Ray on 127.0.0.1, as `make up` starts it, is on this machine."""
    do(offline(speech), "transcribe", "write", fallback="whisper")
    monkeypatch.setenv("RAY_ADDRESS", address)
    assert missing(offline(speech)) == left
    assert OutputFolder.of(offline(speech)).ledger().rows
