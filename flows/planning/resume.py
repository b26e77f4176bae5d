"""What exists already for each file: its outputs, or stored stage results from which they can be made."""

import threading
from collections.abc import Mapping
from functools import lru_cache, partial
from importlib.metadata import version
from itertools import product

from flows.config.file_overrides import NO_OVERRIDES, FileOverrides
from flows.config.parameters import Batch
from flows.model_store.aligners import BetterTiming
from flows.planning.file_run import FileRun, Outcomes
from flows.planning.missing import check_turns, missing_stages
from flows.planning.sources.known import identified
from flows.planning.wanted import Wanted
from flows.preflight.device import runs_elsewhere
from flows.state.folder import OutputFolder
from flows.state.ledger import Ledger
from flows.state.ledger_rows import Written, facts_of, fallbacks_of, outputs_of
from tasks.errors import FileFault, describe, will_last
from tasks.formats import EXTENSIONS
from tasks.people.labels import naming_of
from tasks.people.output_keys import is_provisional, names_in, names_mark, options_key
from tasks.quality.assessment import Assessment, may_be_mended
from tasks.retries import RetryBudget
from tasks.storage.filesystems import FileVersion
from tasks.storage.io import Stopped, version_of
from tasks.storage.outputs import PreviousOutputs, not_ours
from tasks.storage.results import StoredResult, result_key
from tasks.storage.urls import shown
from tasks.storage.write_ahead import WriteAhead
from tasks.written import WriteResult

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
        self.timing = BetterTiming(batch, elsewhere=runs_elsewhere(batch.run.ray_address))
        self._ledger = ledger
        self.stopped = threading.Event()
        """Set: nothing more is read."""
        self.patience = RetryBudget(TRIES)

    def all_stages(self, file: FileOverrides) -> frozenset[str]:
        """Return the stages that a file with these options goes through if nothing of it is stored."""
        return self._batch.stages(diarize=file.diarizing(self._batch.diarize) is not None)

    def identify(self, file: FileRun, found: FileVersion | None = None) -> None:
        """Set the file's keys from the digest of its content, which is read unless the ledger remembers it.

        `found` is the file's version, if it has just been looked at. Raises OSError, UnreadableAudio if it changes
        while it is read, Stopped.
        """
        if file.source.keys:
            return
        wanted = self.wanted(file.used_options)
        file.source, digest = identified(file.source, self._ledger, self.stopped, wanted.stages, found)
        file.key = f"{digest}-{wanted.outputs}{file.source.outputs_mark}"
        file.ahead = WriteAhead(
            self._ledger.notes_folder, file.source.path, file.key, file.output.template, file.output.pattern
        )

    def decide(self, file: FileRun) -> WriteResult | None:
        """Set which stages the file is missing, or return its outputs if all exist. Raises OutputNotOurs, OSError."""
        if self._overwrite:
            return None
        row = self._ledger.row(file.source.path)
        here = self._as_asked(file, row.get("written", {}) if row.get("pattern") == file.output.pattern else {})
        right = self._right(file, here)
        first = next(iter(right.values()), None)
        there = self._there(file, first and first["language"])
        found = {name: version for name, version in there.items() if version}
        intact = {name: v for name, v in found.items() if any(v == w["outputs"].get(name) for w in right.values())}
        changed = {name: v for name, v in found.items() if any(v == w["changed"].get(name) for w in right.values())}
        if EXTENSIONS["quality"] in there and first and not _checked_as_asked(file, first.get("quality")):
            for name in SHOW_THE_CHECK:
                intact.pop(EXTENSIONS[name], None)
        if first and there and intact.keys() | changed.keys() == there.keys():
            kept = [key for key, each in right.items() if there.keys() & (each["outputs"] | each["changed"]).keys()]
            return WriteResult(intact, changed=changed, provisional=any(map(is_provisional, kept)), **facts_of(first))
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

    def _as_asked(self, file: FileRun, written: Mapping[str, Written]) -> dict[str, Written]:
        """Return which of a file's outputs, by their keys, were made from its content with the options that it has now.

        Whoever is named in them, and however well their words are timed.
        """
        wanted, digest = self.wanted(file.used_options), file.key.partition("-")[0]
        keys = []
        for mark in (source.outputs_mark for source in file.source.equivalents):
            keys += [f"{digest}-{each.outputs}{mark}" for each in (wanted, wanted.before) if each]
            first = f"{digest}-{wanted.first_pass}{mark}"
            found = (each.get("quality") for key, each in written.items() if options_key(key) == first)
            keys += [first] if any(_without_doubt(file, quality) for quality in found) else []
        return {key: written[key] for right in keys for key in written if options_key(key) == right}

    def _right(self, file: FileRun, here: Mapping[str, Written]) -> dict[str, Written]:
        """Return which of the outputs `here` have words timed as well as can be, and the names that speakers have now.

        If nobody is to be named now, or the voices are not stored any more, names that are there stay.
        """
        best = {
            key: each
            for key, each in here.items()
            if not is_provisional(key) or all(map(self.timing.lacking, fallbacks_of(each)))
        }
        if self._naming is None or "diarize" not in file.stages or not self._stored(file, "diarize"):
            return best
        matches = self._naming.matches(StoredResult(self._results, file.source.keys["diarize"]).read())
        return {key: each for key, each in best.items() if names_in(key) == names_mark(matches)}

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
        wanted = self.wanted(file.used_options)
        digest = file.key.partition("-")[0]
        for source, each in product(file.source.equivalents, filter(None, (wanted, wanted.before))):
            key = result_key(stage, digest, each.stages[stage] + source.key_mark)
            if StoredResult(self._results, key).exists():
                file.source.keys[stage] = key
                return True
        return False

    def find(self, file: FileRun, outcomes: Outcomes, found: FileVersion | None = None) -> None:
        """Identify the file and decide what it is missing; record its outcome if it is done or has failed.

        `found` is the file's version, if it has just been looked at.
        """
        try:
            check_turns(file, self._write.formats())
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
        asked = file.transcribing(self._batch.transcribe)
        channels = "" if asked.channels == "mix" else f"-{asked.channels}"
        channels += "-skipping" if asked.skip_bad_tracks else ""
        return f"{self.wanted(file).outputs}-{PROGRAMS}-{asked.track_choice.key()}{channels}"


def _checked_as_asked(file: FileRun, quality: Assessment | None) -> bool:
    """Return whether a file's verdict was found with the limits of this batch, if it is to be checked at all.

    They count for no other output: else a changed limit would have every output written again.
    """
    return "check" not in file.stages or (quality is not None and quality["key"] == file.source.keys["check"])


def _without_doubt(file: FileRun, quality: Assessment | None) -> bool:
    """Return whether a file's check, with the limits of this batch, doubts nothing that a second pass may mend."""
    return quality is not None and quality["key"] == file.source.keys.get("check") and not may_be_mended(quality)


def reason(error: Exception) -> str:
    """Return the message for a failed file; of an unexpected error, with its class."""
    return str(error) if isinstance(error, FileFault) else describe(error)
