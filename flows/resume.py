"""What of each file is there already: its outputs, or results of its stages from which they can be made."""

import os
import threading
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from flows.file_options import AS_THE_BATCH, FileOptions
from flows.file_run import FileRun
from flows.ledger import Ledger
from flows.task_runner import named
from tasks.faults import FileFault, Patience
from tasks.locations import is_url, shown
from tasks.places import Stopped, print_of
from tasks.results import StoredResult, options_digest, result_key
from tasks.stores import Print
from tasks.write import Earlier, Written, not_ours, output_path

if TYPE_CHECKING:
    from flows.settings import Batch

TRIES = 60
"""Further tries at reading inputs, in the whole run, where a fault may pass."""


@dataclass(frozen=True)
class Wanted:
    """What is wanted of a file: for every stage that keeps its results, the digest of what changes them."""

    stages: dict[str, str]
    outputs: str

    @classmethod
    def by(cls, batch: "Batch", file: FileOptions) -> "Wanted":
        """Return what this batch wants of a file with these options. Reads the weights of models that are folders."""
        transcribe, diarize = file.transcribing(batch.transcribe), file.diarizing(batch.diarize)
        stages = {"transcribe": options_digest("transcribe", transcribe.identity(batch.models))}
        if batch.align:
            # An aligner that is named for no language is that of the language asked for.
            asked, upstream = batch.transcribe.fixed_language, stages["transcribe"]
            stages["align"] = options_digest("align", batch.align.identity(batch.models), asked, upstream)
        if diarize:
            stages["diarize"] = options_digest("diarize", diarize.identity(batch.models))
        return cls(stages, options_digest("write", stages, batch.write.layout()))


class Resume:
    """Decides for each file which stages it still has to go through."""

    def __init__(self, batch: "Batch", ledger: Ledger) -> None:
        # So many sets of options are kept: a manifest may give each of 100,000 files its own.
        self.wanted = lru_cache(maxsize=256)(partial(Wanted.by, batch))
        self.options = self.wanted(AS_THE_BATCH).outputs
        """Stands for all options that change the outputs."""
        self._batch = batch
        aligned = frozenset({"load audio", "transcribe", "write", *(["align"] if batch.align else [])})
        self._stages = {False: aligned, True: aligned | {"diarize"}}
        self._write = batch.write
        self._results = batch.results_folder()
        self._overwrite = batch.run.overwrite
        self._ledger = ledger
        self._stop = threading.Event()
        self.patience = Patience(TRIES)

    def all_stages(self, file: FileOptions) -> frozenset[str]:
        """Return all that a file with these options goes through of which nothing is there."""
        return self._stages[file.diarizing(self._batch.diarize) is not None]

    def stop(self) -> None:
        """Read no further."""
        self._stop.set()

    def stopped(self) -> bool:
        """Tell whether the run is to end."""
        return self._stop.is_set()

    def identify(self, file: FileRun) -> None:
        """Give the file its keys, by its content, which is read unless it is remembered.

        Raises OSError, UnreadableAudio if it has changed since it was planned, Stopped.
        """
        if file.source.keys:
            return
        row, wanted = self._ledger.digest(file.source.path, self._stop), self.wanted(file.options)
        mark = file.source.key_mark
        keys = {stage: result_key(stage, row["digest"], options + mark) for stage, options in wanted.stages.items()}
        file.source = replace(file.source, size=row["size"], mtime_ns=row["mtime_ns"], keys=keys)
        file.source.check_unchanged()
        file.key = f"{row['digest']}-{wanted.outputs}{mark}"

    def decide(self, file: FileRun) -> Written | None:
        """Set what the file is missing, or return its outputs if that is nothing. Raises OutputNotOurs."""
        if self._overwrite:
            return None
        row = self._ledger.row(file.source.path)
        same = row.get("key") == file.key and row.get("pattern") == file.place[1]
        there = self._there(file, row.get("language") if same else None)
        changed = row.get("changed", {}) if same else {}
        intact = row.get("outputs", {}) if same else {}
        if (
            same
            and there
            and all(found and found in (intact.get(name), changed.get(name)) for name, found in there.items())
        ):
            return Written(
                {name: found for name, found in there.items() if found and found == intact.get(name)},
                row.get("language") or "",
                {name: found for name, found in there.items() if found and found != intact.get(name)},
                row.get("speakers"),
                row.get("aligned_by"),
            )
        ours, other = self._ours(file)
        file.earlier = Earlier(ours, same)
        file.missing = self._missing(file)
        if not same and (other or len(file.missing) > 1):
            # Refused before any work, rather than by the stage that writes, after it. An empty file is no loss.
            for name, found in there.items():
                if found and found[0] and found != ours.get(name):
                    raise not_ours(output_path(file.pattern, "", name), other)
        return None

    def _there(self, file: FileRun, language: str | None) -> dict[str, Print | None]:
        """Return the prints of what is in the outputs' places; none if these are not known before the language is."""
        if language is None and "{language}" in file.pattern:
            return {}
        return {name: print_of(path) for name, path in self._write.outputs(file.pattern, language or "").items()}

    def _ours(self, file: FileRun) -> tuple[dict[str, Print], str | None]:
        """Return the outputs in this file's places that may be replaced, and another input to which some belong.

        Ours to replace are those of this file, of one with the same content, and of one that is not there any more.
        """
        ours: dict[str, Print] = {}
        other = None
        digest = file.key.partition("-")[0]
        for path, row in self._ledger.owners(file.place[1]):
            if path == file.source.path or row.get("digest") == digest or _is_gone(path):
                ours |= row.get("outputs", {})
            else:
                other = shown(path)
        return ours, other

    def _missing(self, file: FileRun) -> frozenset[str]:
        def stored(stage: str) -> bool:
            return StoredResult(self._results, file.source.keys[stage]).exists()

        missing, stages = {"write"}, self.wanted(file.options).stages
        last = "align" if "align" in stages else "transcribe"
        if not stored(last):
            missing.add(last)
            if last == "align" and not stored("transcribe"):
                missing.add("transcribe")
        if "diarize" in stages and not stored("diarize"):
            missing.add("diarize")
        return frozenset(missing if missing == {"write"} else {"load audio", *missing})

    def find(self, file: FileRun) -> None:
        """Identify the file and decide; record in its report if that ends it."""
        try:
            self.patience.again(partial(self.identify, file))
            written = self.decide(file)
        except Stopped:
            return
        except Exception as error:
            file.report.failed(file, reason(error))
        else:
            if written:
                file.report.skipped(file, written)


def _is_gone(path: str) -> bool:
    # Whether an object is, only its store can tell: it counts as there.
    return not is_url(path) and not os.path.lexists(path)


def reason(error: Exception) -> str:
    """Return why a file has failed: a fault of the file says it all, any other error needs its name."""
    return str(error) if isinstance(error, FileFault) else named(error)
