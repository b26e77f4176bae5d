"""Writes the index of an output folder."""

import errno
import logging
from operator import attrgetter

from rich.console import Console

from flows.config.parameters import Batch
from flows.host.terminal import say
from flows.reporting.index.rows import pages_of, rows_of, totals_of
from flows.reporting.tracker import Tracker
from flows.state.folder import OutputFolder
from flows.state.ledger import Ledger
from tasks.errors import describe
from tasks.pages.rendering import render
from tasks.quality.verdict import clock
from tasks.storage import io, urls

logger = logging.getLogger(__name__)

NAMES = ("index.html", "index-of-transcripts.html")
"""The second is for folders where the first is somebody else's, or the page of a recording named index."""
MARK, MARK_WITHIN_BYTES = b'content="whisperx-batch index"', 256
"""What an index has near its beginning, and other pages have not."""


def publish_index(batch: Batch, ledger: Ledger, tracker: Tracker, console: Console) -> None:
    """Write the index of the batch's output folder if pages are among its formats, and say where it is."""
    if "html" not in batch.write.formats():
        return
    try:
        tracker.index = write_index(ledger, OutputFolder.of(batch).location)
    except Exception as error:  # the run's report, which is written after it, must not be lost with it
        logger.warning("the index of the pages could not be written: %s", describe(error))
    else:
        say(f"index of the pages: {tracker.index}", console)


def write_index(ledger: Ledger, folder: str) -> str:
    """Write the page of all files in the ledger of an output folder, and return its location.

    Raises OSError, UnsupportedLocation.
    """
    known = ledger.inputs()
    location = _location(folder, pages_of(known))
    rows, stretches = rows_of(known)
    page = render(
        __package__,
        "index",
        title=f"Transcripts in {urls.shown(folder).rstrip('/').rpartition('/')[2]}",
        rows=rows,
        stretches=stretches,
        totals=list(totals_of(rows)),
        length=clock(sum(filter(None, map(attrgetter("length_s"), rows)))),
    )
    io.write_all({location: page})
    return location


def _location(folder: str, pages: set[str]) -> str:
    for name in (name for name in NAMES if name not in pages):
        location = urls.join(folder, name)
        if io.version_of(location) is None or _is_index(location):
            return location
    taken = urls.join(folder, NAMES[-1])
    raise FileExistsError(errno.EEXIST, "is there and was not written by whisperx-batch: move it away", taken)


def _is_index(location: str) -> bool:
    with io.open_location(location) as file:
        return MARK in file.read(MARK_WITHIN_BYTES)
