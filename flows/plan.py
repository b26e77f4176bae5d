"""The plan of a batch: every file, where its outputs go, what it is missing, and what is wrong with it."""

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from flows.ledger import Ledger
from flows.report import FileRun, Report, one_line
from flows.resume import Resume
from flows.task_runner import named
from tasks.audio import AudioFile, UnreadableAudio, check_regular, probe
from tasks.faults import again
from tasks.files import DRAFT

if TYPE_CHECKING:
    from flows.settings import Batch

LONGEST_NAME = 255
"""Bytes in a file's name, on the file systems that people use."""
LONGEST_EXTENSION = len(".json")


def output_stems(paths: list[Path], output_dir: Path) -> list[Path]:
    """Return what each file's outputs begin with: the tree below the common root is mirrored in the output folder.

    Files whose names differ only in their extension keep it, so that no output overwrites another.
    """
    root = os.path.commonpath([path.parent for path in paths])
    relative = [Path(os.path.relpath(path, root)) for path in paths]
    stems = [path.with_suffix("") for path in relative]
    while clashes := _clashes(stems) & {i for i, path in enumerate(relative) if stems[i] != path}:
        for i in clashes:
            stems[i] = relative[i]
    return [Path(os.path.abspath(output_dir), stem.parent, _short_enough(stem.name)) for stem in stems]


def _clashes(stems: list[Path]) -> set[int]:
    """Return the places of equal stems, also of those that are equal on a file system that ignores case."""
    counts = Counter(str(stem).casefold() for stem in stems)
    return {i for i, stem in enumerate(stems) if counts[str(stem).casefold()] > 1}


def _short_enough(name: str) -> str:
    """Return a name that leaves room for an extension: a longer one is cut, and told apart by a digest."""
    longest, encoded = LONGEST_NAME - LONGEST_EXTENSION, os.fsencode(name)
    if len(encoded) <= longest:
        return name
    mark = "-" + sha256(encoded).hexdigest()[:8]
    return encoded[: longest - len(mark)].decode(errors="ignore") + mark


class Plan:
    """What is to be done. `recall` is quick, `probe` opens every file that no earlier run has seen."""

    def __init__(self, batch: "Batch", paths: list[Path], ledger: Ledger) -> None:
        chosen = batch.inputs.chosen(ledger)
        root = os.path.commonpath([path.parent for path in paths])
        stems = output_stems(paths, Path(batch.write.output_dir))
        self.resume = Resume(batch, ledger)
        self.files = [
            FileRun(
                index,
                AudioFile(str(path), one_line(os.path.relpath(path, root))),
                str(stem),
                missing=self.resume.stages,
            )
            for index, (path, stem) in enumerate(zip(paths, stems, strict=True))
            if chosen is None or str(path) in chosen
        ]
        self.report = Report(self.files, ledger)
        self._ledger = ledger
        self._known_sizes = ledger.sizes()
        self._new: list[FileRun] = []

    def recall(self) -> None:
        """Look which files are known and done."""
        with _threads() as looking:
            list(looking.map(self._recall, self.files))

    def _recall(self, file: FileRun) -> None:
        try:
            status = again(partial(check_regular, file.source.path))
        except Exception as error:
            file.report.failed(file, str(error) if isinstance(error, UnreadableAudio) else named(error))
            return
        remembered = self._ledger.remembers(file.source.path, status)
        duration_s = self._ledger.row(file.source.path).get("duration_s") if remembered else None
        file.source = replace(
            file.source, size=status.st_size, mtime_ns=status.st_mtime_ns, duration_s=duration_s or 0.0
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
        with _threads() as probing:
            list(probing.map(self._probe, self._new))

    def _probe(self, file: FileRun) -> None:
        try:
            duration_s = again(partial(probe, file.source.path))
        except Exception as error:  # whatever FFmpeg's libraries make of an odd file, it is that file's failure
            file.report.failed(file, str(error) if isinstance(error, UnreadableAudio) else named(error))
            return
        file.source = replace(file.source, duration_s=duration_s)
        if file.source.size in self._known_sizes:
            self.resume.find(file)

    def note_durations(self) -> None:
        """Remember how long the new files are, so that a later run need not open them."""
        for file in self._new:
            if file.status == "waiting":
                self._ledger.note(file.source.path, duration_s=file.source.duration_s)

    def waiting(self) -> list[FileRun]:
        """Return the files that are to be done, longest first, so that no long one ends the batch alone."""
        waiting = [file for file in self.files if file.status == "waiting"]
        return sorted(waiting, key=lambda file: file.source.duration_s, reverse=True)

    def stages(self) -> frozenset[str]:
        """Return the stages that some file still has to go through."""
        return frozenset(stage for file in self.waiting() for stage in file.missing)


def remove_drafts(files: list[FileRun]) -> None:
    """Remove what a killed run has left beside these files' outputs; only the run that has claimed the folder may."""
    for folder in {Path(file.stem).parent for file in files}:
        for draft in folder.glob(f"{DRAFT}*"):
            draft.unlink(missing_ok=True)


def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=min(32, 4 * (os.cpu_count() or 1)))
