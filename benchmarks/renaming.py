"""What it costs to name the people of an archive, with results of models put in place.

    python benchmarks/renaming.py [FILES]

FILES (1,000) recordings with transcripts of five minutes and two of 40 people each. Times the command that writes the
transcripts, the one that finds the people, the run that writes the names of all, and one after a single name changed.
"""

import csv
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from batches import batch_of, planned
from conftest import COMMAND, cut_speech
from voices import voice

from flows.config.parameters import Batch
from flows.state.folder import OutputFolder
from tasks.diarize import Diarization
from tasks.people.limits import CAMPPLUS
from tasks.storage.results import result_store
from tasks.transcribe import Transcript

FOLDER = Path("renaming").absolute()
PEOPLE = 40
SPEECH = FOLDER / "speech"
OUT = FOLDER / "out"


def transcript() -> Transcript:
    """Return five minutes of two people who take turns of six seconds."""
    segments: list[dict[str, Any]] = []
    for i in range(50):
        words = [
            {"word": "hello", "start": 6.0 * i + 0.4 * j, "end": 6.0 * i + 0.4 * j + 0.3, "score": 0.9}
            for j in range(15)
        ]
        segments.append({"start": 6.0 * i, "end": 6.0 * i + 5.9, "text": " hello" * 15, "words": words})
    return Transcript("en", {"segments": segments, "word_segments": [w for each in segments for w in each["words"]]})


def store_results(batch: Batch) -> None:
    """Put the results of all models in place."""
    store, said = result_store(OutputFolder.of(batch).results), transcript()
    for number, file in enumerate(planned(batch).values()):
        turns = [(6.0 * i, 6.0 * i + 5.9, f"SPEAKER_0{i % 2}") for i in range(50)]
        who = number % PEOPLE, (7 * number + 1) % PEOPLE
        voices = {f"SPEAKER_0{i}": voice(person, number, model=CAMPPLUS) for i, person in enumerate(who)}
        for stage, result in (("transcribe", said), ("align", said), ("diarize", Diarization(turns, voices=voices))):
            store.persist_result_record(store.create_result_record(result, key=file.source.keys[stage]))


def run(what: str, *command: str) -> str:
    """Run a command; print its wall and core seconds; return what it says."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    used, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, env=environ | {"HF_HUB_OFFLINE": "1"}, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cores = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    print(f"{what}: {time.monotonic() - began:.1f} s, {cores:.1f} core-s", flush=True)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return done.stdout


def name_people(change: slice) -> None:
    """Fill names into the table."""
    table = OUT / "speakers" / "speakers.csv"
    rows = list(csv.DictReader(table.read_text("utf-8-sig").splitlines()))
    for row in rows[change]:
        row["name"] = f"{row['name'] or row['id']} Lovelace"
    with table.open("w", newline="") as written:
        writer = csv.DictWriter(written, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    """Run it all."""
    files = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    shutil.rmtree(FOLDER, ignore_errors=True)
    cut_speech(SPEECH, *[f"{i:04}.wav" for i in range(files)], seconds=1)
    options = {"transcribe": {"model": "tiny.en", "language": "en"}, "diarize": {"diarize_model": "campplus"}}
    store_results(batch_of(SPEECH, check=None, **options))
    report = FOLDER / "report.json"
    command = [
        COMMAND,
        str(SPEECH),
        "-o",
        str(OUT),
        "--model",
        "tiny.en",
        "--language",
        "en",
        "--diarize",
        "--no_check",
    ]
    command += ["--diarize_model", "campplus", "--report", str(report)]
    run(f"write the transcripts of {files} files", *command)
    print(run("find their people", f"{COMMAND}-speakers", str(OUT)).partition("\n")[0])
    for what, change in (("name everybody", slice(None)), ("change one name", slice(1)), ("nothing new", slice(0))):
        name_people(change)
        run(what, *command, "--speakers", str(OUT / "speakers"))
        summary = json.loads(report.read_text())["summary"]
        print({name: summary[name] for name in ("done", "skipped", "failed", "model_loads")})


if __name__ == "__main__":
    main()
