"""The plan of a batch: every file, where its outputs go, what it is missing, and what is wrong with it."""

import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from flows.ledger import Ledger, Row
from flows.report import FileRun, Report, one_line
from flows.resume import Resume, reason
from tasks.audio import AudioFile, probe
from tasks.container import check_regular
from tasks.files import DRAFT

if TYPE_CHECKING:
    from flows.settings import Batch

LONGEST_NAME = 255
"""Bytes in a file's name, on the file systems that people use."""
LONGEST_EXTENSION = len(".json")


def output_stems(paths: list[Path], known: dict[str, str]) -> list[str]:
    """Return what each file's outputs begin with, in the output folder: the tree below the common root is mirrored.

    Files whose names differ only in their extension keep it, so that no output overwrites another. A file keeps the
    stem that it is `known` by, whatever else is named beside it this time.
    """
    root = os.path.commonpath([path.parent for path in paths])
    relative = [os.path.relpath(path, root) for path in paths]
    fixed = {i for i, path in enumerate(paths) if str(path) in known}
    stems = [known.get(str(path)) or os.path.splitext(name)[0] for path, name in zip(paths, relative, strict=True)]
    while clashes := _clashes(stems) & {i for i, name in enumerate(relative) if stems[i] != name} - fixed:
        for i in clashes:
            stems[i] = relative[i]
    for i in _clashes(stems) - fixed:
        stems[i] = f"{relative[i]}-{_mark(str(paths[i]))}"
    return [str(Path(stem).parent / _short_enough(Path(stem).name)) for stem in stems]


def _clashes(stems: list[str]) -> set[int]:
    """Return the places of equal stems, also of those that are equal on a file system that ignores case."""
    counts = Counter(stem.casefold() for stem in stems)
    return {i for i, stem in enumerate(stems) if counts[stem.casefold()] > 1}


def _mark(name: str) -> str:
    return sha256(os.fsencode(name)).hexdigest()[:8]


def _short_enough(name: str) -> str:
    """Return a name that leaves room for an extension: a longer one is cut, and told apart by a digest."""
    longest, encoded = LONGEST_NAME - LONGEST_EXTENSION, os.fsencode(name)
    if len(encoded) <= longest:
        return name
    mark = f"-{_mark(name)}"
    return encoded[: longest - len(mark)].decode(errors="ignore") + mark


class Plan:
    """What is to be done. `recall` is quick, `probe` opens every file that no earlier run has seen."""

    def __init__(self, batch: "Batch", paths: list[Path], ledger: Ledger) -> None:
        root = os.path.commonpath([path.parent for path in paths])
        known = {str(path): stem for path in paths if (stem := ledger.row(str(path)).get("stem"))}
        stems, out = output_stems(paths, known), os.path.abspath(batch.write.output_dir)
        self.resume = Resume(batch, ledger)
        self.files = [
            FileRun(
                index,
                AudioFile(str(path), one_line(os.path.relpath(path, root))),
                os.path.join(out, stem),
                place=stem,
                missing=self.resume.stages,
            )
            for index, (path, stem) in enumerate(zip(paths, stems, strict=True))
            if batch.inputs.chooses(str(path), ledger)
        ]
        self.report = Report(self.files, ledger)
        self._ledger = ledger
        self._known_sizes = ledger.sizes()
        self._new: list[FileRun] = []

    def recall(self) -> None:
        """Look which files are known and done."""
        self._each(self._recall, self.files)

    def _each(self, look: Callable[[FileRun], None], files: list[FileRun]) -> None:
        """Look at the files, several at a time, until all are seen or the run is to end."""
        with ThreadPoolExecutor(max_workers=min(32, 4 * (os.cpu_count() or 1))) as threads:
            try:
                list(threads.map(lambda file: None if self.resume.stopped() else look(file), files))
            except BaseException:
                self.resume.stop()
                raise

    def _recall(self, file: FileRun) -> None:
        try:
            status = self.resume.patience.again(partial(check_regular, file.source.path))
        except Exception as error:
            file.report.failed(file, reason(error))
            return
        remembered = self._ledger.remembers(file.source.path, status)
        row = self._ledger.row(file.source.path) if remembered else Row()
        duration_s, track = row.get("duration_s"), row.get("track", "")
        file.source = replace(
            file.source, size=status.st_size, mtime_ns=status.st_mtime_ns, duration_s=duration_s or 0.0, track=track
        )
        if duration_s is None:
            self._new.append(file)
        else:
            self.resume.find(file)

    def needs_all_stages(self) -> bool:
        """Tell, before the new files are opened, whether one of them surely has to go through every stage."""
        return any(file.source.size not in self._known_sizes for file in self._new)

    def probe(self) -> None:
        """Open the new files; those whose content may be known, by its size, are read.

        What cannot be read is failed, with the reason.
        """
        self._each(self._probe, self._new)

    def _probe(self, file: FileRun) -> None:
        try:
            probed = self.resume.patience.again(partial(probe, file.source.path))
        except Exception as error:  # whatever FFmpeg's libraries make of an odd file, it is that file's failure
            file.report.failed(file, reason(error))
            return
        file.source = replace(file.source, duration_s=probed.duration_s, track=probed.track)
        if file.source.size in self._known_sizes:
            self.resume.find(file)

    def note_durations(self) -> None:
        """Remember how long the new files are, so that a later run need not open them."""
        for file in self._new:
            if file.status == "waiting":
                self._ledger.note(file.source.path, duration_s=file.source.duration_s, track=file.source.track)

    def waiting(self) -> list[FileRun]:
        """Return the files that are to be done, longest first, so that no long one ends the batch alone."""
        waiting = [file for file in self.files if file.status == "waiting"]
        return sorted(waiting, key=lambda file: file.source.duration_s, reverse=True)

    def stages(self) -> frozenset[str]:
        """Return the stages that some file still has to go through."""
        return frozenset(stage for file in self.waiting() for stage in file.missing)


def remove_drafts(own_folder: Path, files: list[FileRun]) -> None:
    """Remove what a killed run has left beside these files' outputs; only the run that has claimed the folder may."""
    for folder in {own_folder, *(Path(file.stem).parent for file in files)}:
        for draft in folder.glob(f"{DRAFT}*"):
            draft.unlink(missing_ok=True)
