"""What the ledger knows of one file, and how something new is added to it."""

import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, TypedDict, cast

from tasks.storage.filesystems import FileVersion
from tasks.written import Facts, Fallback

PARSED_TOGETHER = 1000
"""Lines."""
ONE_WRITE_NS = 5 * 10**9
"""Outputs of version 0.1 whose times lie closer together were written together: a run takes longer to start."""


class Written(Facts):
    """Outputs that were written together, for one content and one set of options."""

    outputs: dict[str, FileVersion]
    """By extension; as they were when they were written."""
    changed: dict[str, FileVersion]
    """Those that somebody has changed, as they were found then."""


class Refused(TypedDict):
    """A failure that will come again as long as the file, the options and the releases that met it stay the same."""

    content: FileVersion
    made_with: str
    error: str


class Row(TypedDict, total=False):
    """What is known of a file; `digest`, `duration_s` and `track` are of the content with this size and mtime."""

    size: int
    mtime_ns: int
    digest: str
    duration_s: float
    track: str
    track_number: int
    """The number of the track, from 1, if it is not the default one."""
    track_choice: str
    """The options by which it was chosen."""
    retimed: bool
    """See `AudioFile.retimed`. Missing: an earlier version, which had no such files, has opened it."""
    channels: int
    """Those of its track. Missing: an earlier version has opened it."""
    status: str
    error: str | None
    pattern: str
    """Where its outputs go, in the output folder."""
    template: str
    """From which that was made."""
    options: dict[str, Any]
    """What a manifest says of it."""
    tracks: list[tuple[str, str, float]]
    """Of a group: the file of each track, who speaks in it, and when it begins."""
    written: dict[str, Written]
    """Its outputs by the key of the content and all options that they were written for. Each output has one key, the
    last. "" stands for options that are not known, or those of an earlier version's provisional outputs."""
    refused: Refused | None


def merged(row: Row, learnt: Row) -> Row:
    """Return the row with what was learnt. An output that was written again leaves the key that it had."""
    before = row.get("written", {}) if learnt.get("pattern", row.get("pattern")) == row.get("pattern") else {}
    both = cast(Row, {**row, **learnt})
    if "written" in learnt:
        new = {extension for each in learnt["written"].values() for extension in (*each["outputs"], *each["changed"])}
        kept = {key: _without(each, new) for key, each in before.items()}
        added = {key: _joined(kept.pop(key, None), each) for key, each in learnt["written"].items()}
        both["written"] = {key: each for key, each in (kept | added).items() if each["outputs"] or each["changed"]}
    elif before != row.get("written", {}):
        both["written"] = {}
    return both


def _without(written: Written, extensions: set[str]) -> Written:
    if extensions.isdisjoint((*written["outputs"], *written["changed"])):
        return written
    left = {
        which: {name: found for name, found in written[which].items() if name not in extensions}
        for which in ("outputs", "changed")
    }
    return cast(Written, {**written, **left})


def _joined(before: Written | None, new: Written) -> Written:
    if before is None:
        return new
    both = {which: {**before[which], **new[which]} for which in ("outputs", "changed")}
    return cast(Written, {**new, **both})


def outputs_of(row: Row) -> dict[str, FileVersion]:
    """Return all outputs of a file, as they were when they were written."""
    return {
        extension: found for each in row.get("written", {}).values() for extension, found in each["outputs"].items()
    }


def facts_of(written: Written) -> Facts:
    """Return the facts about outputs, also of an earlier version that knew fewer of them."""
    facts = {name: written.get(name) for name in Facts.__annotations__}
    return cast(Facts, {**facts, "language": facts["language"] or ""})


def fallbacks_of(written: Written) -> list[Fallback]:
    """Return what timed the words of provisional outputs; an earlier version knew one method and language a file."""
    if (known := written.get("fallbacks")) is not None:
        return known
    return [Fallback(language=written["language"], aligned_by=written["aligned_by"], broken={})]


def row_from(learnt: dict[str, Any]) -> Row:
    """Return a row as it was read from JSON. Raises ValueError, TypeError, LookupError, AttributeError."""
    if "outputs" in learnt:
        learnt["written"] = _of_version_0_1(learnt)
    if "written" in learnt:
        learnt["written"] = {
            sys.intern(key): {**each, **{which: _versions(each[which]) for which in ("outputs", "changed")}}
            for key, each in learnt["written"].items()
        }
    if learnt.get("refused"):
        size, time = learnt["refused"]["content"]
        learnt["refused"] = {**learnt["refused"], "content": (int(size), int(time))}
    if ".." in str(learnt.get("pattern", "")).split("/") or str(learnt.get("pattern", "")).startswith("/"):
        raise ValueError("the outputs lie outside of the output folder")
    return cast(Row, learnt)


def _versions(found: dict[str, Any]) -> dict[str, FileVersion]:
    return {extension: (int(size), int(time)) for extension, (size, time) in found.items()}


def _of_version_0_1(learnt: dict[str, Any]) -> dict[str, Any]:
    """Return `written` of a row that had one key, that of the last run, for the outputs of all runs.

    Those that were not written with the last one get no key: whether they are right, only their content tells.
    """
    outputs = _versions(learnt.pop("outputs"))
    key, changed = learnt.pop("key", ""), learnt.pop("changed", {})
    facts = {name: learnt.pop(name, None) for name in Facts.__annotations__}
    newest = max((time for _, time in outputs.values()), default=0)
    groups: dict[str, dict[str, FileVersion]] = {}
    for extension, (size, time) in outputs.items():
        groups.setdefault(key if time >= newest - ONE_WRITE_NS else "", {})[extension] = (size, time)
    return {
        each: {**facts, "outputs": found, "changed": changed if each == key else {}} for each, found in groups.items()
    }


def parsed(lines: list[bytes]) -> Iterator[Any]:
    """Yield what the lines say, without those that are no JSON.

    Many at a time, since their objects share the strings of their keys then: 2 kB less for each file.
    """
    for i in range(0, len(lines), PARSED_TOGETHER):
        some = lines[i : i + PARSED_TOGETHER]
        try:
            yield from json.loads(b"[%b]" % b",".join(some))
        except ValueError:
            for line in some:
                with suppress(ValueError):
                    yield json.loads(line)
