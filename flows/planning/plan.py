"""The plan of a batch: every file with its output paths, the stages it is missing, and why it cannot be done."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from functools import lru_cache, partial

from flows.config.file_overrides import FileOverrides
from flows.config.inputs import Entry
from flows.config.parameters import Batch
from flows.planning.file_run import FileRun, Outcomes
from flows.planning.output_paths import common_folder, output_patterns, shown_name
from flows.planning.resume import Resume, reason
from flows.planning.selection import selects
from flows.state.ledger import Ledger
from flows.state.ledger_rows import Row
from tasks.audio.container import check_regular
from tasks.audio.decoding import probe
from tasks.audio.tracks import TrackChoice
from tasks.audio.types import AudioFile
from tasks.errors import one_line, will_last
from tasks.languages import language_code
from tasks.storage import urls
from tasks.storage.filesystems import FileVersion
from tasks.storage.outputs import OutputPath


class Plan:
    """The files of a batch. `recall` is quick, `probe` opens every file that no earlier run has seen."""

    def __init__(self, batch: Batch, entries: list[Entry], ledger: Ledger) -> None:
        root = common_folder([entry.path for entry in entries])
        patterns = output_patterns(batch.write, entries, _known(entries, ledger, batch.write.output_template))
        out, template = urls.absolute(batch.write.output_dir), batch.write.output_template
        self.resume = Resume(batch, ledger)
        self._batch = batch
        self._track_choice = lru_cache(maxsize=256)(self._choose_track)
        self.files = [
            FileRun(
                index,
                AudioFile(entry.path, one_line(shown_name(root, entry, template, pattern))),
                OutputPath(out, template, pattern),
                entry.options,
                stages=(stages := self.resume.all_stages(entry.options)),
                missing=stages,
            )
            for index, (entry, pattern) in enumerate(zip(entries, patterns, strict=True))
            if selects(batch.inputs, entry.path, ledger)
        ]
        self.ledger = ledger
        self._known_sizes = ledger.sizes()
        self._retry = batch.run.retry_failed or batch.run.overwrite or batch.inputs.only == "failed"
        self._new: list[FileRun] = []
        self._recalled = self._probed = False

    def _choose_track(self, options: FileOverrides) -> TrackChoice:
        return options.transcribing(self._batch.transcribe).track_choice

    def begin(self) -> None:
        """Note in the ledger which files this run will do, and how; the caller must hold the run lock."""
        kinds = {(file.options, file.status == "waiting") for file in self.files}
        begun = {kind: _begun(*kind) for kind in kinds}
        self.ledger.begin({file.source.path: begun[file.options, file.status == "waiting"] for file in self.files})

    def recall(self, outcomes: Outcomes) -> None:
        """Find the files that are done or failed before; once, also where the command made this plan for the flow."""
        if not self._recalled:
            self._each(partial(self._recall, outcomes), self.files)
        self._recalled = True

    def _each(self, look: Callable[[FileRun], None], files: list[FileRun]) -> None:
        """Look at the files, several at a time, until all are seen or the run is stopped."""
        with ThreadPoolExecutor(max_workers=min(32, 4 * (os.cpu_count() or 1))) as threads:
            try:
                list(threads.map(lambda file: None if self.resume.stopped() else look(file), files))
            except BaseException:
                self.resume.stop()
                raise

    def _recall(self, outcomes: Outcomes, file: FileRun) -> None:
        try:
            size, mtime_ns = self.resume.patience.retry(partial(check_regular, file.source.path))
        except Exception as error:
            outcomes.failed(file, reason(error))
            return
        remembered = self.ledger.remembers(file.source.path, (size, mtime_ns))
        row = self.ledger.row(file.source.path) if remembered else Row()
        if refused := self._refused(file, (size, mtime_ns)):
            outcomes.failed_before(file, refused)
            return
        duration_s, choice = row.get("duration_s"), self._track_choice(file.options)
        file.source = replace(
            file.source,
            size=size,
            mtime_ns=mtime_ns,
            duration_s=duration_s or 0.0,
            track=row.get("track", ""),
            track_number=row.get("track_number", 0),
            retimed=row.get("retimed", False),
        )
        if duration_s is None or choice.may_change(row.get("track_choice", ""), file.source.track):
            self._new.append(file)
        else:
            self.resume.find(file, outcomes)
            if file.status == "waiting" and "retimed" not in row:
                self._new.append(file)  # results of an earlier version must not be mixed with samples of this one

    def _refused(self, file: FileRun, content: FileVersion) -> str | None:
        """Return the error of an earlier run for this content, if it is not to be tried again."""
        if self._retry or "refused" not in self.ledger.row(file.source.path):
            return None
        return self.ledger.refused(file.source.path, content, self.resume.made_with(file.options))

    def needs_all_stages(self) -> bool:
        """Return, before the new files are opened, whether one of them certainly has to go through every stage."""
        return any(file.source.size not in self._known_sizes for file in self._new)

    def probe(self, outcomes: Outcomes) -> None:
        """Open the new files, once; those whose content may be known, by its size, are read.

        Files that cannot be read, and those that turn out to be done, go to `outcomes`.
        """
        if not self._probed:
            self._each(partial(self._probe, outcomes), self._new)
        self._probed = True

    def _probe(self, outcomes: Outcomes, file: FileRun) -> None:
        try:
            probed = self.resume.patience.retry(partial(probe, file.source.path, self._track_choice(file.options)))
        except Exception as error:  # whatever FFmpeg's libraries make of an odd file, it is that file's failure
            outcomes.failed(file, reason(error), lasting=will_last(error))
            return
        file.source = replace(file.source, keys={}, **asdict(probed))
        if file.source.size in self._known_sizes:
            self.resume.find(file, outcomes)

    def note_durations(self) -> None:
        """Remember how long the new files are, so that a later run need not open them."""
        for file in self._new:
            if file.status in {"waiting", "skipped"}:
                self.ledger.note(
                    file.source.path,
                    duration_s=file.source.duration_s,
                    track=file.source.track,
                    track_number=file.source.track_number,
                    retimed=file.source.retimed,
                    track_choice=self._track_choice(file.options).key(),
                )

    def waiting(self) -> list[FileRun]:
        """Return the files still to do, longest first, so that no long one ends the batch alone."""
        waiting = [file for file in self.files if file.status == "waiting"]
        return sorted(waiting, key=lambda file: file.source.duration_s, reverse=True)

    def audio_left(self) -> float:
        """Return how many seconds of audio are still to be decoded."""
        return sum(file.decoded_s for file in self.files if file.status == "waiting")

    def languages(self) -> set[str]:
        """Return the languages, as codes, that a manifest gives for files that are still to be done."""
        return {language_code(file.options.language) for file in self.waiting() if file.options.language}

    def stages(self) -> frozenset[str]:
        """Return the stages that some file still has to go through."""
        return frozenset(stage for file in self.waiting() for stage in file.missing)


def _begun(options: FileOverrides, waiting: bool) -> Row:  # noqa: FBT001
    """Return what the ledger notes of a file when a run begins; a file that `recall` has settled keeps its outcome."""
    row = Row(options=options.model_dump(exclude_none=True))
    return row | Row(status="waiting", error=None) if waiting else row


def _known(entries: list[Entry], ledger: Ledger, template: str) -> dict[str, str]:
    """Return the patterns that earlier runs have made from the same template."""
    rows = {entry.path: ledger.row(entry.path) for entry in entries}
    return {path: row["pattern"] for path, row in rows.items() if "pattern" in row and row.get("template") == template}
