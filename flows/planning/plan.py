"""The plan of a batch: every file with its output paths, the stages it is missing, and why it cannot be done."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple
from functools import lru_cache, partial
from math import inf

from flows.config.file_overrides import FileOverrides
from flows.config.inputs import Entry
from flows.config.parameters import Batch
from flows.host.collector import collector_paused
from flows.planning.discovery import NothingFailed
from flows.planning.file_run import FileRun, Outcomes
from flows.planning.output_paths import common_folder, name_below, output_patterns, shown_name
from flows.planning.resume import Resume, reason
from flows.planning.selection import selection
from flows.planning.sources.known import note_probed, probed, recalled
from flows.state.ledger import Ledger
from flows.state.ledger_rows import Row
from tasks.audio.types import AudioFile, Track
from tasks.errors import one_line, will_last
from tasks.languages import language_code
from tasks.storage import urls
from tasks.storage.outputs import OutputPath
from tasks.transcribe import TranscribeOptions


class Plan:
    """The files of a batch. `recall` is quick; `probe` and `identify` open those that no earlier run has seen."""

    @collector_paused()
    def __init__(self, batch: Batch, entries: list[Entry], ledger: Ledger) -> None:
        """Raise NothingFailed if `only` leaves none of the files."""
        selected = selection(batch.inputs, ledger)
        if not any(selected(entry.path) for entry in entries):
            raise NothingFailed("--only failed: nothing failed or was left; every file is done")
        root = common_folder([entry.path for entry in entries])
        patterns = output_patterns(batch.write, entries, _known(entries, ledger, batch.write.output_template))
        out, template = urls.absolute(batch.write.output_dir), batch.write.output_template
        self._groups = {
            each.path: Row(tracks=[astuple(track) for track in each.tracks]) for each in entries if each.tracks
        }
        self.resume = Resume(batch, ledger)
        self.batch = batch
        self._transcribing = lru_cache(maxsize=256)(self._options_of)
        self.files = [
            FileRun(
                index,
                AudioFile(
                    entry.path, one_line(shown_name(root, entry, template, pattern)), tracks=_tracks(root, entry)
                ),
                OutputPath(out, template, pattern),
                entry.options,
                stages=(stages := self.resume.all_stages(entry.options)),
                missing=stages,
                diarize_parts=entry.options.diarizing_parts(batch.diarize),
            )
            for index, (entry, pattern) in enumerate(zip(entries, patterns, strict=True))
            if selected(entry.path)
        ]
        self.ledger = ledger
        self._known_sizes = ledger.sizes()
        self._retry = batch.run.retry_failed or batch.run.overwrite or batch.inputs.only == "failed"
        self._recalled = False

    def _options_of(self, options: FileOverrides) -> TranscribeOptions:
        return options.transcribing(self.batch.transcribe)

    def begin(self) -> None:
        """Note in the ledger which files this run will do, and how; the caller must hold the run lock."""
        kinds = {(file.options, file.status == "waiting") for file in self.files}
        begun = {kind: _begun(*kind) for kind in kinds}
        self.ledger.begin(
            {
                path: begun[file.options, file.status == "waiting"] | self._groups.get(path, Row())
                for file in self.files
                for path in [file.source.path]
            }
        )

    @collector_paused()
    def recall(self, outcomes: Outcomes) -> None:
        """Find the files that are done or failed before; once, also where the command made this plan for the flow."""
        if not self._recalled:
            self._each(partial(self._recall, outcomes), self.files)
        self._recalled = True

    def _each(self, look: Callable[[FileRun], None], files: list[FileRun], seconds: float = inf) -> None:
        """Look at the files, several at a time, until all are seen, so much time has passed, or the run is stopped."""
        end, workers = time.monotonic() + seconds, min(32, 4 * (os.cpu_count() or 1))
        at_a_time = 1 + len(files) // (64 * workers)

        def look_at(first: int) -> None:
            for file in files[first : first + at_a_time]:
                if self.resume.stopped.is_set() or time.monotonic() > end:
                    return
                look(file)

        with ThreadPoolExecutor(workers) as threads:
            try:
                list(threads.map(look_at, range(0, len(files), at_a_time)))
            except BaseException:
                self.resume.stopped.set()
                raise

    def _recall(self, outcomes: Outcomes, file: FileRun) -> None:
        asked = self._transcribing(file.options)
        try:
            source, file.unopened = self.resume.patience.retry(partial(recalled, file.source, self.ledger, asked))
        except Exception as error:
            outcomes.failed(file, reason(error))
            return
        file.found(source)
        if refused := self._refused(file):
            outcomes.failed_before(file, refused)
        elif not source.size:
            self._probe(outcomes, file)  # fails at once: there is nothing to read
        elif not file.unopened:
            self.resume.find(file, outcomes, (source.size, source.mtime_ns))
            # Results of an earlier version must not be mixed with samples of this one.
            file.unopened = file.status == "waiting" and "retimed" not in self.ledger.row(file.source.path)

    def _refused(self, file: FileRun) -> str | None:
        """Return the error of an earlier run for this content, if it is not to be tried again."""
        if self._retry or not self.ledger.row(file.source.path).get("refused"):
            return None
        content = file.source.size or 0, file.source.mtime_ns
        return self.ledger.refused(file.source.path, content, self.resume.made_with(file.options))

    def unopened(self) -> list[FileRun]:
        """Return the files that are still to be opened, the longest first."""
        return [file for file in self.waiting() if file.unopened]

    def needs_all_stages(self) -> bool:
        """Return whether a file that is not opened yet certainly has to go through every stage."""
        return any(file.source.size not in self._known_sizes for file in self.unopened())

    def probe(self, outcomes: Outcomes, seconds: float = inf) -> None:
        """Open the new files, the longest first, for at most so long; those whose content may be known are read.

        Files that cannot be read, and those that turn out to be done, go to `outcomes`.
        """
        self._each(partial(self._probe, outcomes), self.unopened(), seconds)

    def identify(self, outcomes: Outcomes, file: FileRun) -> None:
        """Open a file, if that is still to be done, and find out by its content which stages it is missing."""
        if file.unopened:
            self._probe(outcomes, file)
        # Not those that were looked for before: the pools were chosen for what was missing then.
        if file.status == "waiting" and not file.source.keys:
            self.resume.find(file, outcomes)

    def _probe(self, outcomes: Outcomes, file: FileRun) -> None:
        asked = self._transcribing(file.options)
        try:
            source = self.resume.patience.retry(partial(probed, file.source, asked))
        except Exception as error:  # whatever FFmpeg's libraries make of an odd file, it is that file's failure
            outcomes.failed(file, reason(error), lasting=will_last(error))
            return
        outcomes.opened(file, source)
        if file.source.size in self._known_sizes:
            self.resume.find(file, outcomes)
        if file.status != "failed" or file.source.keys:  # a later run, which knows its content, need not open it
            note_probed(source, self.ledger, asked)

    def waiting(self) -> list[FileRun]:
        """Return the files still to do, longest first, so that no long one ends the batch alone."""
        waiting = [file for file in self.files if file.status == "waiting"]
        return sorted(waiting, key=lambda file: file.expected_s, reverse=True)

    def files_left(self) -> int:
        """Return how many files are still to be done."""
        return sum(file.status == "waiting" for file in self.files)

    def audio_left(self) -> float:
        """Return how many seconds of audio are still to be decoded."""
        return sum(file.decoded_s for file in self.files if file.status == "waiting")

    def languages(self) -> set[str]:
        """Return the languages, as codes, that a manifest gives for files that are still to be done."""
        return {language_code(file.options.language) for file in self.waiting() if file.options.language}

    def stages(self) -> frozenset[str]:
        """Return the stages that some file still has to go through."""
        return frozenset(stage for file in self.waiting() for stage in file.missing)


def _tracks(root: str, entry: Entry) -> tuple[Track, ...]:
    """Return the tracks of a group, under the names that are shown."""
    return tuple(
        Track(AudioFile(track.path, one_line(name_below(root, track.path))), track.speaker, track.offset_s)
        for track in entry.tracks
    )


def _begun(options: FileOverrides, waiting: bool) -> Row:  # noqa: FBT001
    """Return what the ledger notes of a file when a run begins; a file that `recall` has settled keeps its outcome."""
    row = Row(options=options.model_dump(exclude_none=True))
    return row | Row(status="waiting", error=None) if waiting else row


def _known(entries: list[Entry], ledger: Ledger, template: str) -> dict[str, str]:
    """Return the patterns that earlier runs have made from the same template."""
    rows = {entry.path: ledger.row(entry.path) for entry in entries}
    return {path: row["pattern"] for path, row in rows.items() if "pattern" in row and row.get("template") == template}
