"""What exists already for each file: its outputs, or stored stage results from which they can be made."""

import threading
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache, partial
from importlib.metadata import version

from flows.config.file_overrides import NO_OVERRIDES, FileOverrides
from flows.config.parameters import Batch
from flows.planning.file_run import FileRun, Outcomes
from flows.planning.missing import missing_stages
from flows.planning.wanted import Wanted
from flows.state.folder import OutputFolder
from flows.state.ledger import Ledger
from flows.state.ledger_rows import Written, outputs_of
from tasks.audio.container import check_regular
from tasks.errors import FileFault, describe, will_last
from tasks.formats import EXTENSIONS
from tasks.people.labels import names_mark, naming_of, unnamed
from tasks.quality.assessment import LISTED, Assessment
from tasks.quality.verdict import WRONG_TEXT
from tasks.retries import RetryBudget
from tasks.storage.filesystems import FileVersion
from tasks.storage.io import Stopped, version_of
from tasks.storage.outputs import PreviousOutputs, not_ours
from tasks.storage.results import StoredResult, result_key
from tasks.storage.urls import shown
from tasks.storage.write_ahead import WriteAhead
from tasks.written import Facts, WriteResult

PROGRAMS = f"{version('whisperx-batch')}-{version('av')}"
SHOW_THE_CHECK = ("quality", "html")
"""The formats whose content depends on the check."""
TRIES = 60
"""Retries of transient errors while inputs are read, in the whole run."""


class Resume:
    """Decides for each file which stages it still has to go through."""

    def __init__(self, batch: Batch, ledger: Ledger) -> None:
        # So many sets of options are kept: a manifest may give each of 100,000 files its own.
        self.wanted = lru_cache(maxsize=256)(partial(Wanted.by, batch))
        self.options = self.wanted(NO_OVERRIDES).outputs
        """The digest of all options that change the outputs."""
        self._batch = batch
        self._write = batch.write
        self._results = OutputFolder.of(batch).results
        self._overwrite = batch.run.overwrite
        self._naming = naming_of(batch.people)
        self._ledger = ledger
        self._stop = threading.Event()
        self.patience = RetryBudget(TRIES)

    def all_stages(self, file: FileOverrides) -> frozenset[str]:
        """Return the stages that a file with these options goes through if nothing of it is stored."""
        return self._batch.stages(diarize=file.diarizing(self._batch.diarize) is not None)

    def stop(self) -> None:
        """Read no further."""
        self._stop.set()

    def stopped(self) -> bool:
        """Return whether `stop` was called."""
        return self._stop.is_set()

    def identify(self, file: FileRun, found: FileVersion | None = None) -> None:
        """Set the file's keys from the digest of its content, which is read unless the ledger remembers it.

        `found` is the file's version, if it has just been looked at. Raises OSError, UnreadableAudio if it changes
        while it is read, Stopped.
        """
        if file.source.keys:
            return
        path, wanted, mark = file.source.path, self.wanted(file.options), file.source.key_mark
        size, mtime_ns = found = found or check_regular(path)
        known = self._ledger.remembers(path, found)
        row = self._ledger.digest(path, found, self._stop)
        keys = {stage: result_key(stage, row["digest"], options + mark) for stage, options in wanted.stages.items()}
        file.source = replace(file.source, size=size, mtime_ns=mtime_ns, keys=keys)
        if not known:
            file.source.check_unchanged()
        file.key = f"{row['digest']}-{wanted.outputs}{mark}"
        file.ahead = WriteAhead(
            self._ledger.notes_folder, file.source.path, file.key, file.output.template, file.output.pattern
        )

    def decide(self, file: FileRun) -> WriteResult | None:
        """Set which stages the file is missing, or return its outputs if all exist. Raises OutputNotOurs, OSError."""
        if self._overwrite:
            return None
        row = self._ledger.row(file.source.path)
        here = row.get("written", {}) if row.get("pattern") == file.output.pattern else {}
        here = {key: here[key] for right in self._keys(file, here) for key in here if unnamed(key) == right}
        right = self._named_as_asked(file, here)
        there = self._there(file, right[0]["language"] if right else None)
        found = {name: version for name, version in there.items() if version}
        intact = {name: each for name, each in found.items() if any(each == w["outputs"].get(name) for w in right)}
        changed = {name: each for name, each in found.items() if any(each == w["changed"].get(name) for w in right)}
        if EXTENSIONS["quality"] in there and right and not _checked_as_asked(file, right[0].get("quality")):
            for name in SHOW_THE_CHECK:
                intact.pop(EXTENSIONS[name], None)
        if there and intact.keys() | changed.keys() == there.keys():
            facts = {name: right[0].get(name) for name in Facts.__annotations__}
            return WriteResult(intact, changed=changed, **facts | {"language": facts["language"] or ""})  # type: ignore[arg-type]
        ours, theirs, other = self._owned(file)
        same = frozenset(name for written in here.values() for name in (*written["outputs"], *written["changed"]))
        file.previous = PreviousOutputs(ours, same)
        file.missing = missing_stages(
            file,
            self._results,
            partial(self._stored, file),
            asked="quality" in self._write.formats(),
            written=bool(row.get("written")),
        )
        for name, each in found.items():
            # Refused before any work, rather than by the stage that writes, after it. An empty file is no loss.
            if not each[0] or each == ours.get(name):
                continue
            if each == theirs.get(name) or (name not in same and (other or len(file.missing) > 1)):
                raise not_ours(file.output.render("", name), other)
        return None

    def _named_as_asked(self, file: FileRun, here: Mapping[str, Written]) -> list[Written]:
        """Return which of the outputs that are `here`, by their keys, have the names that the file's speakers have now.

        If nobody is to be named now, or the voices are not stored any more, names that are there stay.
        """
        if self._naming is None or "diarize" not in file.stages or not self._stored(file, "diarize"):
            return list(here.values())
        matches = self._naming.matches(StoredResult(self._results, file.source.keys["diarize"]).read())
        return [each for key, each in here.items() if key == unnamed(key) + names_mark(matches)]

    def _keys(self, file: FileRun, here: Mapping[str, Written]) -> list[str]:
        """Return the keys of outputs that are right for this file, without the names of its speakers.

        `here` are those that it has.
        """
        wanted, digest, mark = self.wanted(file.options), file.key.partition("-")[0], file.source.key_mark
        keys = [file.key, f"{digest}-{wanted.before.outputs}{mark}"] if wanted.before else [file.key]
        first = f"{digest}-{wanted.first_pass}{mark}"
        if any(_without_doubt(file, each.get("quality")) for key, each in here.items() if unnamed(key) == first):
            keys.append(first)
        return keys

    def _there(self, file: FileRun, language: str | None) -> dict[str, FileVersion | None]:
        """Return the version of the file at each output's path; nothing if the paths need a language not yet known."""
        if language is None and "{language}" in file.output.pattern:
            return {}
        return {name: version_of(path) for name, path in self._write.outputs(file.output, language or "").items()}

    def _owned(self, file: FileRun) -> tuple[dict[str, FileVersion], dict[str, FileVersion], str | None]:
        """Return the outputs at this file's paths that may be replaced, those of another input, and that input.

        Those of this file, and of one with the same content, may be replaced. Not those of an input that no longer
        exists: its share may not be mounted now, or it was deleted and this is its only transcript.
        """
        ours: dict[str, FileVersion] = {}
        theirs: dict[str, FileVersion] = {}
        other = None
        digest = file.key.partition("-")[0]
        for path, row in self._ledger.owners(file.output.pattern):
            if path == file.source.path or row.get("digest") == digest:
                ours |= outputs_of(row)
            elif outputs := outputs_of(row):
                theirs |= outputs
                other = shown(path)
        return ours, theirs, other

    def _stored(self, file: FileRun, stage: str) -> bool:
        """Return whether the stage's result is stored. One made by version 0.1 is used under its own key."""
        wanted = self.wanted(file.options)
        digest = file.key.partition("-")[0]
        for each in filter(None, (wanted, wanted.before)):
            key = result_key(stage, digest, each.stages[stage] + file.source.key_mark)
            if StoredResult(self._results, key).exists():
                file.source.keys[stage] = key
                return True
        return False

    def find(self, file: FileRun, outcomes: Outcomes, found: FileVersion | None = None) -> None:
        """Identify the file and decide what it is missing; record its outcome if it is done or has failed.

        `found` is the file's version, if it has just been looked at.
        """
        try:
            self.patience.retry(partial(self.identify, file, found))
            written = self.patience.retry(partial(self.decide, file))
        except Stopped:
            return
        except Exception as error:
            outcomes.failed(file, reason(error), lasting=will_last(error))
        else:
            if written:
                outcomes.skipped(file, written)

    def made_with(self, file: FileOverrides) -> str:
        """Return the digest of a file's options and of the programs that read it; a failure holds only for these."""
        track = file.transcribing(self._batch.transcribe).track_choice.key()
        return f"{self.wanted(file).outputs}-{PROGRAMS}-{track}"


def _checked_as_asked(file: FileRun, quality: Assessment | None) -> bool:
    """Return whether a file's verdict was found with the limits of this batch, if it is to be checked at all.

    They count for no other output: else a changed limit would have every output written again.
    """
    return "check" not in file.stages or (quality is not None and quality["key"] == file.source.keys["check"])


def _without_doubt(file: FileRun, quality: Assessment | None) -> bool:
    """Return whether a file's check, with the limits of this batch, doubts nothing that a second pass may mend."""
    if quality is None or quality["key"] != file.source.keys.get("check") or len(quality["listed"]) >= LISTED:
        return False
    return not any(each["kind"] in WRONG_TEXT and each["start"] is not None for each in quality["listed"])


def reason(error: Exception) -> str:
    """Return the message for a failed file; of an unexpected error, with its class."""
    return str(error) if isinstance(error, FileFault) else describe(error)
