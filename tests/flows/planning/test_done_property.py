"""Random nights, stage results put in place without models: what a run calls done is what a fresh run would write.

The plan, the ledger, the results, the write-ahead notes and the writers are the real ones. Between runs people rename
and replace recordings, edit and delete outputs; runs are killed at any step, and lines of the ledger that were not
synced are lost. The aligners of both languages come and go.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from conftest import cut_speech
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from flows.config.parameters import Batch
from flows.planning.file_run import FileRun
from flows.planning.plan import Plan
from flows.planning.read_ahead import remaining
from flows.planning.resume import reason
from flows.planning.selection import checked_entries
from flows.reporting.tracker import Tracker
from flows.state.folder import OutputFolder
from flows.state.run_lock import exclusive_run
from tasks.diarize import Diarization
from tasks.models.registry import default_aligners
from tasks.models.sources import Bundle
from tasks.storage.results import StoredResult, result_store
from tasks.transcribe import Transcript
from tasks.write import write

NAMES = ["a.wav", "a.flac", "sub/a.wav", "b.wav"]
"""Two that differ in their extension alone, two that have one name."""


@cache
def contents() -> list[bytes]:
    """Return the contents of a few recordings, no two alike."""
    with tempfile.TemporaryDirectory() as folder:
        cut_speech(Path(folder), "0.wav", "1.wav", "2.wav", seconds=1)
        return [path.read_bytes() for path in sorted(Path(folder).iterdir())]


@dataclass(frozen=True)
class Night:
    """The options of a run."""

    formats: str = "all"
    speakers: bool = False
    overwrite: bool = False
    model: str = "tiny"
    language: str = "en"
    aligned: bool = True
    width: int | None = None

    def aligner(self, folder: Path) -> Path:
        """Return where the aligner of the language is looked for."""
        return Bundle(default_aligners()[self.language]).file(str(folder / "models"))

    def batch(self, folder: Path, out: str) -> Batch:
        """Return the batch of all recordings in the folder."""
        width = self.width if self.aligned else None
        return Batch.model_validate(
            {
                "inputs": {"inputs": [str(folder / "in")]},
                "transcribe": {"model": self.model, "language": self.language},
                "align": {} if self.aligned else None,
                "diarize": {"diarize_model": "some/pipeline"} if self.speakers else None,
                "models": {"model_dir": str(folder / "models"), "offline": True},
                "run": {"overwrite": self.overwrite},
                "write": {"output_dir": str(folder / out), "output_format": self.formats, "max_line_width": width},
            }
        )

    def result(
        self, stage: str, digest: str, transcript: Transcript | None, *, aligner: bool
    ) -> Transcript | Diarization:
        """Return what a stage makes of a recording: all that it depends on is in it.

        Without the aligner another method times the words, otherwise.
        """
        if stage == "diarize":
            return Diarization([(0.0, 1.0, f"SPEAKER_{digest[:4]}")])
        if stage == "transcribe":
            text = f" {digest} as {self.model} hears it in {self.language}."
            return Transcript(self.language, {"segments": [{"start": 0.0, "end": 1.0, "text": text}]})
        assert transcript
        words = transcript.result["segments"][0]["text"].split()
        length = 0.05 if aligner else 0.02
        timed = [{"word": word, "start": i / 10, "end": i / 10 + length} for i, word in enumerate(words)]
        segments = [{**transcript.result["segments"][0], "end": length, "words": timed}]
        method = default_aligners()[self.language] if aligner else "whisper"
        return Transcript(self.language, {"segments": segments}, method, provisional=not aligner)


nights = st.builds(
    Night,
    speakers=st.booleans(),
    model=st.sampled_from(["tiny", "tiny", "base"]),
    language=st.sampled_from(["en", "en", "de"]),
    aligned=st.sampled_from([True, True, False]),
    width=st.sampled_from([None, None, 20]),
)
formats = st.sampled_from(["all", "json", "srt,txt"])
which_night = st.integers(0, 1)


class Killed(BaseException):
    """The process is gone."""


@contextmanager
def killed_after(steps: int | None) -> Iterator[None]:
    """Kill the run in place of the rename after so many: of an output, a write-ahead note, or the ledger."""
    left = steps
    replace = Path.replace

    def counted(path: Path, target: Path) -> Path:
        nonlocal left
        if left is not None:
            left -= 1
            if left < 0:
                raise Killed
        return replace(path, target)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Path, "replace", counted)
        yield


def run(batch: Batch, night: Night, loses_after: int | None = None) -> Plan:
    """Do what a run does, but for models. After so many files the ledger's lines no longer reach the disk."""
    with exclusive_run(OutputFolder.of(batch).state_dir):
        plan = Plan(batch, checked_entries(batch), OutputFolder.of(batch).ledger())
        tracker = Tracker.of(plan)
        plan.begin()
        try:
            plan.recall(tracker)
            plan.probe(tracker)
            for done, file in enumerate(remaining(plan.waiting(), partial(plan.identify, tracker))):
                if done == loses_after:
                    plan.ledger.share()
                    plan.ledger._file = None
                _do(batch, night, file, tracker)
        finally:
            plan.ledger.share()
        return plan


def _do(batch: Batch, night: Night, file: FileRun, tracker: Tracker) -> None:
    store, folder = result_store(OutputFolder.of(batch).results), OutputFolder.of(batch).results
    digest = file.key.partition("-")[0]
    transcript: Any = None
    aligner = night.aligner(Path(batch.inputs.inputs[0]).parent).exists()
    for stage in ("transcribe", "align", "diarize"):
        if stage not in file.source.keys:
            continue
        if stage in file.missing:
            result = night.result(stage, digest, transcript, aligner=aligner)
            if getattr(result, "provisional", False):
                transcript = result
                continue
            store.persist_result_record(store.create_result_record(result, key=file.source.keys[stage]))
        stored = StoredResult(folder, file.source.keys[stage])
        if stage != "diarize" and stored.exists():
            transcript = stored.read()
    diarization = StoredResult(folder, file.source.keys["diarize"]).read() if night.speakers else None
    try:
        written = write.fn(file.source, file.output, transcript, diarization, batch.write, file.previous, file.ahead)
    except Exception as error:
        tracker.failed(file, reason(error))
    else:
        tracker.done(file, written)


class Nights(RuleBasedStateMachine):
    """A folder of recordings, and one of transcripts, for some nights."""

    @initialize(first=st.sampled_from(NAMES), content=st.integers(0, 2), nights=st.tuples(nights, nights))
    def begin(self, first: str, content: int, nights: tuple[Night, Night]) -> None:
        """Begin with one recording, and two sets of options, which all runs have."""
        self.nights = nights
        self.folder = Path(tempfile.mkdtemp())
        (self.folder / "models").mkdir()
        self.edited: dict[Path, bytes] = {}
        self.put(first, content)

    def teardown(self) -> None:
        """Leave nothing."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def recordings(self) -> list[Path]:
        """The recordings that are there."""
        return sorted(path for path in (self.folder / "in").rglob("*") if path.is_file())

    def outputs(self) -> list[Path]:
        """The outputs that are there."""
        found = (self.folder / "out").rglob("*") if (self.folder / "out").exists() else iter(())
        return sorted(path for path in found if path.is_file() and ".whisperx-batch" not in path.parts)

    @rule(name=st.sampled_from(NAMES), content=st.integers(0, 2))
    def put(self, name: str, content: int) -> None:
        """Add a recording, or replace one."""
        path = self.folder / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents()[content])

    @rule(which=st.integers(0, 3), name=st.sampled_from(NAMES))
    def rename(self, which: int, name: str) -> None:
        """Rename a recording, maybe over another."""
        path = self.recordings[which % len(self.recordings)]
        (self.folder / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        path.rename(self.folder / "in" / name)

    @rule(which=st.integers(0, 3))
    def remove(self, which: int) -> None:
        """Remove a recording, but not the last one."""
        if len(self.recordings) > 1:
            self.recordings[which % len(self.recordings)].unlink()

    @rule(which=st.integers(0, 20))
    def edit(self, which: int) -> None:
        """Correct an output by hand."""
        if outputs := self.outputs():
            path = outputs[which % len(outputs)]
            path.write_bytes(b"corrected " + path.read_bytes())
            self.edited[path] = path.read_bytes()

    @rule(which=st.integers(0, 20))
    def delete_output(self, which: int) -> None:
        """Delete an output."""
        if outputs := self.outputs():
            path = outputs[which % len(outputs)]
            path.unlink()
            self.edited.pop(path, None)

    @rule()
    def delete_results(self) -> None:
        """Remove the stored results to save room."""
        shutil.rmtree(self.folder / "out" / ".whisperx-batch" / "results", ignore_errors=True)

    @rule(which=which_night, formats=formats, steps=st.integers(0, 12), loses_after=st.sampled_from([None, 0, 1]))
    def killed_run(self, which: int, formats: str, steps: int, loses_after: int | None) -> None:
        """Run, and be killed; or end in time, and lose the power before the ledger is synced."""
        night = replace(self.nights[which], formats=formats)
        try:
            with killed_after(steps):
                run(night.batch(self.folder, "out"), night, loses_after)
        except Killed:
            pass

    @rule(which=which_night, formats=formats)
    def overwriting_run(self, which: int, formats: str) -> None:
        """Write over whatever is there."""
        night = replace(self.nights[which], formats=formats, overwrite=True)
        for file in run(night.batch(self.folder, "out"), night).files:
            assert file.status == "done"
            for path in file.outputs():
                self.edited.pop(Path(path), None)

    @rule(which=which_night, formats=formats, aligner=st.booleans())
    def whole_run(self, which: int, formats: str, *, aligner: bool) -> None:
        """Run to the end, with the aligner or without: each state is true; then a second run has nothing to do."""
        night = replace(self.nights[which], formats=formats)
        night.aligner(self.folder).unlink(missing_ok=True)
        if aligner:
            night.aligner(self.folder).touch()
        batch = night.batch(self.folder, "out")
        plan = run(batch, night)
        fresh = self.fresh(night)
        for file in plan.files:
            if file.status == "failed":
                self.check_refusal(file)
            else:
                assert file.status in ("done", "skipped")
                assert file.written
                kept_better = night.aligned and not file.written.provisional
                self.check_outputs(file, fresh[kept_better][file.source.path])
        again = run(batch, night)
        assert {file.source.path: file.status for file in again.files} == {
            file.source.path: "failed" if file.status == "failed" else "skipped" for file in plan.files
        }

    def fresh(self, night: Night) -> dict[bool, dict[str, dict[str, bytes]]]:
        """Return what a first run with these options would write, by input and extension: now, and with the aligner."""
        found = {}
        aligner = night.aligner(self.folder)
        missing = not aligner.exists()
        for there in (False, True):
            if there:
                aligner.touch()
            shutil.rmtree(self.folder / "fresh", ignore_errors=True)
            plan = run(night.batch(self.folder, "fresh"), night)
            found[there] = {
                file.source.path: {path.rpartition(".")[2]: Path(path).read_bytes() for path in file.outputs()}
                for file in plan.files
            }
        if missing:
            aligner.unlink()
        return found

    def check_outputs(self, file: FileRun, fresh: dict[str, bytes]) -> None:
        """Each output is there, and holds what a fresh run would write, or what somebody has made of that."""
        paths = [Path(path) for path in file.outputs()]
        assert {path.suffix[1:] for path in paths} == fresh.keys()
        for path in paths:
            assert path.read_bytes() == self.edited.get(path, fresh[path.suffix[1:]]), path

    def check_refusal(self, file: FileRun) -> None:
        """A file fails only if something in the place of one of its outputs is not its own."""
        places = [Path(file.output.render("en", each)) for each in ("srt", "vtt", "txt", "tsv", "json")]
        foreign = any(path in self.edited for path in places) or "was written for" in str(file.error)
        assert foreign, file.error

    @invariant()
    def no_correction_is_lost(self) -> None:
        """What somebody has corrected stays."""
        for path, content in getattr(self, "edited", {}).items():
            assert path.read_bytes() == content


TestNights = Nights.TestCase
TestNights.settings = settings(
    max_examples=100,
    stateful_step_count=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
