"""The files of a batch: those that are named, or with `only` those that earlier runs left undone."""

import json
import logging
from collections.abc import Callable

from flows.config.file_overrides import FileOverrides
from flows.config.inputs import Entry, Inputs, TrackEntry
from flows.config.parameters import Batch
from flows.planning.discovery import check_below, find_inputs
from flows.planning.patterns import Patterns
from flows.preflight.check import check
from flows.state.folder import OutputFolder
from flows.state.ledger import Ledger
from flows.state.ledger_rows import Row
from tasks.errors import InvalidInput, one_line
from tasks.storage.filesystems import UnsupportedLocation
from tasks.storage.io import read
from tasks.storage.urls import shown

logger = logging.getLogger(__name__)

FINISHED = ("done", "skipped")
"""The statuses of files that `only` leaves out."""


def checked_entries(batch: Batch, notify: Callable[[str], object] = logger.warning) -> list[Entry]:
    """Return the input files, after every check that is possible before they are opened; see find_entries.

    Raises InvalidInput.
    """
    entries = find_entries(batch.inputs, OutputFolder.of(batch).ledger, notify)
    check(batch, entries)
    return entries


def find_entries(
    inputs: Inputs, read_ledger: Callable[[], Ledger], notify: Callable[[str], object] = logger.warning
) -> list[Entry]:
    """Return the files that are named, or else those of the report or of earlier runs that are not done: maybe none.

    Raises InvalidInput.
    """
    if inputs.inputs or inputs.batch_file or inputs.manifest or not inputs.only:
        patterns = Patterns(tuple(inputs.include), tuple(inputs.exclude))
        entries = find_inputs(inputs.inputs, inputs.batch_file, inputs.manifest, patterns, notify)
    else:
        entries = _of_earlier_runs(inputs, read_ledger())
    if inputs.input_roots:
        check_below(entries, inputs.input_roots)
    return entries


def _of_earlier_runs(inputs: Inputs, ledger: Ledger) -> list[Entry]:
    earlier = ledger.inputs()
    if not inputs.of_report and not earlier:
        raise InvalidInput("--only failed: no earlier run in this output folder is known; name the inputs")
    known = {shown(path): path for path in earlier}
    reported = _statuses(inputs.of_report) if inputs.of_report else known
    selected = filter(selection(inputs, ledger), [known.get(path, path) for path in sorted(reported)])
    return [_entry(path, ledger.row(path)) for path in selected]


def _entry(path: str, row: Row) -> Entry:
    """Return an input as the manifest of an earlier run had it."""
    tracks = tuple(TrackEntry(*track) for track in row.get("tracks", ()))
    return Entry(path, FileOverrides.model_validate(row.get("options", {})), tracks=tracks)


def selection(inputs: Inputs, ledger: Ledger) -> Callable[[str], bool]:
    """Return the test of a path for whether `only` leaves its file in. Raises InvalidInput for an unreadable report."""
    if not inputs.only:
        return lambda _: True
    if not inputs.of_report:
        return lambda path: ledger.row(path).get("status") not in FINISHED
    statuses = _statuses(inputs.of_report)
    return lambda path: statuses.get(shown(path), "done") not in FINISHED


def _statuses(report: str) -> dict[str, str]:
    """Return the status of each file in a report. Raises InvalidInput."""
    try:
        records = json.loads(read(report))["files"]
        return {record["path"]: record["status"] for record in records}
    except (OSError, UnsupportedLocation, ValueError, LookupError, TypeError) as error:
        raise InvalidInput(f"--of_report {one_line(report)}: no report of this program: {error}") from None
