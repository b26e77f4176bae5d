"""The stored results and ledger rows of an output folder that no later run needs, and their removal."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

from flows.state.ledger import Ledger
from flows.state.ledger_rows import Row, outputs_of
from tasks.stage_table import STORED
from tasks.storage import io, urls
from tasks.storage.outputs import OutputPath
from tasks.storage.results import VERSION

DAY_S = 24 * 3600


@dataclass(frozen=True)
class Result:
    """A stored result: the stage, and the digests of the content and of the options that it was made for."""

    location: str
    stage: str
    version: str
    digest: str
    age_s: float
    size: int


def stored_results(folder: str) -> Iterator[Result]:
    """Yield the stored results in a folder or below a URL. Raises OSError, UnsupportedLocation."""
    now = time.time()
    for location, size, modified in io.tree(folder):
        stage, _, rest = location.removeprefix(folder).strip("/").partition("/")
        version, _, name = rest.partition("/")
        digest, dash, _ = name.partition("-")
        if stage in STORED and dash and "/" not in name:
            yield Result(location, stage, version, digest, now - modified, size)


def unneeded_results(results: list[Result], ledger: Ledger, days: float) -> list[Result]:
    """Return the results that no run will look for, if they are older than `days`.

    Those are of contents that no input has any more, or were made with other options than the newest of their stage and
    content. (An input on a share that is not mounted counts as gone; what its results saved is then made again.)
    """
    there = {row["digest"] for path, row in ledger.rows.items() if "digest" in row and _is_there(path, row)}
    newest: dict[tuple[str, str], Result] = {}
    for result in sorted(results, key=lambda result: result.age_s, reverse=True):
        newest[result.stage, result.digest] = result
    return [
        result
        for result in results
        if result.age_s > days * DAY_S
        and (
            result.digest not in there or result.version != VERSION or newest[result.stage, result.digest] is not result
        )
    ]


def unneeded_rows(ledger: Ledger, out: str) -> list[str]:
    """Return the inputs whose file and outputs are all gone. Raises OSError, UnsupportedLocation."""
    return [path for path, row in ledger.rows.items() if not _is_there(path, row) and not _has_outputs(row, out)]


def _is_there(path: str, row: Row) -> bool:
    """Return whether an input is there; of a group, whether any of its tracks is."""
    paths = [track for track, _, _ in row.get("tracks", ())] or [path]
    # Whether an object is, only its store can tell: it counts as there.
    return any(urls.is_url(each) or os.path.lexists(each) for each in paths)


def _has_outputs(row: Row, out: str) -> bool:
    output = OutputPath(out, row.get("template", ""), row.get("pattern", ""))
    languages = {each["language"] for each in row.get("written", {}).values()}
    return any(
        io.version_of(output.render(language, extension)) for language in languages for extension in outputs_of(row)
    )


def remove_results(results: list[Result]) -> None:
    """Remove stored results. Raises OSError, UnsupportedLocation."""
    for result in results:
        io.remove(result.location)
