"""Removes the drafts that killed runs have left beside the outputs."""

import glob
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from tasks.storage import urls, write_ahead
from tasks.storage.atomic import DRAFT, is_stale
from tasks.storage.outputs import OutputPath


def remove_drafts(own_folder: Path, outputs: Iterable[OutputPath]) -> None:
    """Remove drafts from our own folder and from the folders of these outputs.

    Other runs may write to the same folders at the same time, since output folders can lie in one another: their drafts
    stay.
    """
    for folder in {own_folder, own_folder / write_ahead.FOLDER, *_output_folders(outputs)}:
        with suppress(OSError):  # a share that does not answer: no reason to end a run
            for draft in folder.glob(f"{DRAFT}*"):
                with suppress(OSError):  # gone, or not ours to remove
                    if is_stale(draft):
                        draft.unlink()


def _output_folders(outputs: Iterable[OutputPath]) -> Iterator[Path]:
    """Yield the folders that outputs can be in, of all languages that there are on the disk."""
    local = {(each.folder, os.path.dirname(each.pattern)) for each in outputs if not urls.is_url(each.folder)}
    for folder, pattern in local:
        below = glob.escape(pattern).format(language="*", format="*")
        yield from map(Path, glob.iglob(os.path.join(glob.escape(folder), below)))
