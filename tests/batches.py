"""Batches whose results are put in place without models, and what a run would find of them."""

import json
from functools import partial
from pathlib import Path
from typing import Any

from flows.config.parameters import Batch
from flows.planning.file_run import FileRun
from flows.planning.plan import Plan
from flows.planning.read_ahead import remaining
from flows.planning.selection import checked_entries
from flows.reporting.tracker import Tracker
from flows.state.folder import OutputFolder
from flows.state.run_lock import exclusive_run
from tasks.check import SecondPass
from tasks.diarize import Diarization
from tasks.quality.verdict import Quality
from tasks.storage.results import result_store
from tasks.transcribe import Transcript
from tasks.transcribe_again import DecodedAgain
from tasks.write import write


def batch_of(speech: Path, **options: Any) -> Batch:
    """Return a batch of the files in a folder, with models that nobody loads here."""
    defaults = {
        "inputs": {"inputs": [str(speech)]},
        "transcribe": {"model": "tiny", "language": "en"},
        "write": {"output_dir": str(speech.parent / "out")},
    }
    return Batch.model_validate(defaults | options)


def planned(batch: Batch) -> dict[str, FileRun]:
    """Return the files of a batch by their names, as a run that begins now would have them."""
    with exclusive_run(OutputFolder.of(batch).state_dir):
        plan = Plan(batch, checked_entries(batch), OutputFolder.of(batch).ledger())
        tracker = Tracker.of(plan)
        plan.begin()
        plan.recall(tracker)
        plan.probe(tracker)
        list(remaining(plan.waiting(), partial(plan.identify, tracker)))
        plan.ledger.share()
        return {file.source.name: file for file in plan.files}


QUALITY = Quality("good", [], [], 1.0, 1.0)


def do(
    batch: Batch,
    *stages: str,
    quality: Quality = QUALITY,
    fallback: str | None = None,
    broken: dict[str, str] | None = None,
    parts: list[Transcript] | None = None,
) -> None:
    """Put results of these stages where a run would, with the real store and the real writers.

    A file that is written has been checked, with this result. With a `fallback` this method has timed the words,
    since no better one could be loaded: those of `broken` were here. `parts` are those of each transcript.
    """
    files = planned(batch)
    store = result_store(OutputFolder.of(batch).results)
    ledger = OutputFolder.of(batch).ledger()
    ledger.begin({})
    results = {"diarize": Diarization([]), "check": quality, "transcribe again": DecodedAgain("en", [])}
    if "write" in stages and batch.check:
        stages = (*stages, "check")
    for file in files.values():
        segments = [{"start": 0.0, "end": 1.0, "text": " Hello.", "words": []} | ({"speaker": "A"} if parts else {})]
        language = batch.transcribe.language or "en"
        provisional = fallback is not None
        transcript = Transcript(language, {"segments": segments}, fallback, provisional, broken or {}, parts=parts)
        for stage in stages:
            if stage in file.source.keys:  # a channel that is one speaker is not diarized
                result = SecondPass(transcript, quality) if stage == "check again" else results.get(stage, transcript)
                store.persist_result_record(store.create_result_record(result, key=file.source.keys[stage]))
        if "write" in stages:
            found = quality if "check" in file.stages else None
            file.written = write.fn(
                file.source, file.output, transcript, None, batch.write, file.previous, file.ahead, quality=found
            )
            file.status = "done"
            ledger.note(file.source.path, **file.outcome())
    ledger.share()


def missing(batch: Batch) -> dict[str, set[str]]:
    """Return what each file that is not done is missing, but for what follows from it."""
    files = planned(batch)
    return {name: set(file.missing) for name, file in files.items() if file.status == "waiting"}


ALL = {"load audio", "transcribe", "align", "check", "write"}


def with_manifest(speech: Path, rows: list[dict[str, Any]], **options: Any) -> Batch:
    """Return a batch of the files that a manifest names."""
    manifest = speech.parent / "manifest.jsonl"
    manifest.write_text("\n".join(json.dumps(row) for row in rows))
    return batch_of(speech, inputs={"manifest": str(manifest)}, **options)


HOLDER = """
import sys, time
from pathlib import Path
from flows.planning.selection import checked_entries
from flows.reporting.tracker import Tracker
from flows.state.folder import OutputFolder
from flows.state.run_lock import exclusive_run
with exclusive_run(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""
