"""The check at the end of a run that the outputs of the files it reports as done still exist."""

import logging
import os
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

from flows.planning.file_run import FileRun
from flows.reporting.tracker import Tracker
from tasks.storage.urls import is_url

logger = logging.getLogger(__name__)

THREADS = 8


def fail_missing_outputs(tracker: Tracker) -> None:
    """Fail each file that was done in this run and of which a local output has been removed since.

    Files of earlier runs were checked when this one began, and stores are not asked again. Each folder is listed once:
    to look for 100,000 files one by one takes minutes on a network share.
    """
    by_folder: defaultdict[str, list[tuple[str, FileRun]]] = defaultdict(list)
    for file in tracker.files:
        for output in file.outputs() if file.status == "done" else ():
            if not is_url(output):
                folder, name = os.path.split(output)
                by_folder[folder].append((name, file))
    with ThreadPoolExecutor(THREADS, thread_name_prefix="outputs") as threads:
        for gone in threads.map(_gone, by_folder, by_folder.values()):
            for output, file in gone:
                if file.status == "done":
                    tracker.output_missing(file, output)


def _gone(folder: str, outputs: list[tuple[str, FileRun]]) -> list[tuple[str, FileRun]]:
    try:
        there = set(os.listdir(folder))
    except FileNotFoundError:
        there = set()
    except OSError as error:
        logger.warning("%s: %s; whether all outputs are there could not be checked", folder, error)
        return []
    # A file system may list a name in another spelling than it was written in.
    return [(name, file) for name, file in outputs if name not in there and not os.path.lexists(f"{folder}/{name}")]
