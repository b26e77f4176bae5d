"""Which outputs are right once speakers have names: those with the names that their speakers have now."""

import json
from pathlib import Path
from typing import Any

import pytest
from batches import batch_of, missing
from voices import diarized, recordings, voice

from flows.cli.remaining import write_again
from flows.config.parameters import Batch
from flows.planning.plan import Plan
from flows.planning.selection import checked_entries
from flows.reporting.tracker import Tracker
from flows.state.folder import OutputFolder
from flows.state.run_lock import exclusive_run
from tasks.people.known import KnownVoice, Person, voices_json
from tasks.people.labels import naming_of
from tasks.storage.results import result_store
from tasks.transcribe import Transcript
from tasks.write import write

WRITE = {"hello.wav": {"write"}}


@pytest.fixture(name="speech")
def _speech(tmp_path: Path) -> Path:
    """A recording in which Ada speaks, with the results of all models; a folder of people knows her voice."""
    speech = recordings(tmp_path / "speech", 1)
    (speech / "0.wav").rename(speech / "hello.wav")
    diarized(speech, {"hello.wav": {"SPEAKER_00": voice(1, 1)}})
    name_her(speech, "Ada")
    return speech


def name_her(speech: Path, name: str) -> None:
    """Give the voice a name."""
    (speech.parent / "people").mkdir(exist_ok=True)
    ada = Person("P0001", name, [KnownVoice(voice(1, 2), "other.wav", "other", "SPEAKER_00")])
    (speech.parent / "people" / "voices.json").write_bytes(voices_json([ada]))


def batch(speech: Path, formats: str = "json,txt", *, named: bool = True) -> Batch:
    """Return the batch, which names speakers or not."""
    people = {"speakers": str(speech.parent / "people"), "speaker_limits": "0.65,0.55"} if named else {}
    out = {"output_dir": str(speech.parent / "out"), "output_format": formats}
    diarize = {"diarize_model": "some/model"}
    return batch_of(speech, align=None, check=None, diarize=diarize, write=out, people=people)


def run(of: Batch, *, crash: bool = False) -> None:
    """Write what the batch is missing, as the command does; after a crash the ledger does not know of it."""
    folder = OutputFolder.of(of)
    with exclusive_run(folder.state_dir):
        plan = Plan(of, checked_entries(of), folder.ledger())
        tracker = Tracker.of(plan)
        plan.recall(tracker)
        plan.probe(tracker)
        for file in plan.waiting():
            words = [{"word": "Hello.", "start": 0.0, "end": 1.0}]
            segments = [{"start": 0.0, "end": 1.0, "text": " Hello.", "words": words}]
            said = Transcript("en", {"segments": segments, "word_segments": words})
            store = result_store(folder.results)
            store.persist_result_record(store.create_result_record(said, key=file.source.keys["transcribe"]))
            file.missing = frozenset({"write"})
            if crash:
                inputs: dict[str, Any] = file.inputs_of("write", folder.results)
                found = {name: stored and stored.read() for name, stored in inputs.items()}
                more = {"previous": file.previous, "ahead": file.ahead, "naming": naming_of(of.people)}
                write.fn(file=file.source, output=file.output, options=of.write, **found, **more)
        assert crash or write_again(of, plan, tracker) == 0


def said(speech: Path, extension: str) -> str:
    """Return an output."""
    return (speech.parent / "out" / f"hello.{extension}").read_text()


def test_each_output_is_done_with_its_own_names(speech: Path) -> None:
    """Labels in all formats, then names in json alone: txt is still to be written. Without the option names stay."""
    run(batch(speech, named=False))
    assert "SPEAKER_00" in said(speech, "txt")
    run(batch(speech, "json"))
    [word] = json.loads(said(speech, "json"))["word_segments"]
    assert word["speaker"] == "Ada"
    assert missing(batch(speech, "json")) == {}
    assert missing(batch(speech)) == WRITE
    assert missing(batch(speech, named=False)) == {}
    run(batch(speech))
    assert "Ada" in said(speech, "txt")
    assert missing(batch(speech)) == {}
    name_her(speech, "Ada Lovelace")
    assert missing(batch(speech)) == WRITE


def test_an_output_that_somebody_has_corrected_is_not_renamed(speech: Path) -> None:
    """It is the only one of its kind."""
    run(batch(speech))
    (speech.parent / "out" / "hello.txt").write_text("[Ada]: Hello, dear.")
    name_her(speech, "Ada Lovelace")
    run(batch(speech))
    assert said(speech, "txt") == "[Ada]: Hello, dear."
    assert "Ada Lovelace" in said(speech, "json")
    assert missing(batch(speech)) == {}


def test_names_are_known_after_a_crash(speech: Path) -> None:
    """From the note that was written ahead, where the ledger's line is missing."""
    run(batch(speech, named=False))
    run(batch(speech), crash=True)
    assert "Ada" in said(speech, "txt")
    assert missing(batch(speech)) == {}
    name_her(speech, "Ada Lovelace")
    assert missing(batch(speech)) == WRITE


def test_what_ends_a_run_that_writes_is_reported(speech: Path) -> None:
    """It was no signal: a run that goes on would meet it again."""
    of, folder = batch(speech), OutputFolder.of(batch(speech))
    with exclusive_run(folder.state_dir):
        plan = Plan(of, checked_entries(of), folder.ledger())
        tracker = Tracker.of(plan)
        plan.recall(tracker)
        plan.probe(tracker)
        voices = speech.parent / "people" / "voices.json"
        voices.unlink()
        voices.mkdir()
        assert write_again(of, plan, tracker) == 1
    assert tracker.ending
    assert "Is a directory" in tracker.ending.reason
    assert not tracker.ending.interrupted
    assert [file.status for file in plan.files] == ["left"]
