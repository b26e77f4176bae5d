"""The files of a batch: those that are named, or with `only` those that earlier runs left undone."""

import json
import logging
from collections.abc import Callable
from functools import cache

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
    paths = [known.get(path, path) for path in sorted(reported)]
    selected = [path for path in paths if selects(inputs, path, ledger)]
    return [_entry(path, ledger.row(path)) for path in selected]


def _entry(path: str, row: Row) -> Entry:
    """Return an input as the manifest of an earlier run had it."""
    tracks = tuple(TrackEntry(*track) for track in row.get("tracks", ()))
    return Entry(path, FileOverrides.model_validate(row.get("options", {})), tracks=tracks)


def selects(inputs: Inputs, path: str, ledger: Ledger) -> bool:
    """Return whether `only` leaves this file in. Raises InvalidInput for a report that cannot be read."""
    if not inputs.only:
        return True
    status = (
        _statuses(inputs.of_report).get(shown(path), "done") if inputs.of_report else ledger.row(path).get("status")
    )
    return status not in ("done", "skipped")


@cache
def _statuses(report: str) -> dict[str, str]:
    """Return the status of each file in a report. Raises InvalidInput."""
    try:
        records = json.loads(read(report))["files"]
        return {record["path"]: record["status"] for record in records}
    except (OSError, UnsupportedLocation, ValueError, LookupError, TypeError) as error:
        raise InvalidInput(f"--of_report {one_line(report)}: no report of this program: {error}") from None
