"""Outputs: their paths, and writing them without touching files that are not ours."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from tasks.errors import FileFault
from tasks.storage import io, urls
from tasks.storage.filesystems import FileVersion
from tasks.storage.io import version_of


@dataclass(frozen=True, slots=True)
class OutputPath:
    """Where the outputs of one file go: a path for each language and format."""

    folder: str
    template: str
    """The `--output_template` that the pattern was made from."""
    pattern: str
    """The path in the folder, as the ledger has it: {language} and {format} are open, other braces are doubled."""

    def render(self, language: str | None, extension: str) -> str:
        """Return the path of one output."""
        return urls.join(self.folder, self.pattern.format(language=language or "und", format=extension))


@dataclass(frozen=True)
class PreviousOutputs:
    """What earlier runs wrote at the outputs' paths, by extension."""

    outputs: dict[str, FileVersion] = field(default_factory=dict)
    same: frozenset[str] = frozenset()
    """Those that were written for the same content and options as now."""


class OutputNotOurs(FileFault):
    """A file at an output's path was not written by this program, or was changed since."""


def not_ours(path: str, owner: str | None = None) -> OutputNotOurs:
    """Return the error for an output's path that is taken; by another input, if there is an `owner`."""
    why = f"was written for {owner}" if owner else "was not written by whisperx-batch, or was changed since"
    return OutputNotOurs(
        f"{os.path.basename(path)} is there and {why}: move it away, use another --output_dir, or --overwrite"
    )


def write_outputs(
    contents: dict[str, bytes],
    outputs: dict[str, str],
    previous: PreviousOutputs | None = None,
    note: Callable[[dict[str, bytes]], None] = lambda _: None,
) -> tuple[dict[str, FileVersion], dict[str, FileVersion]]:
    """Write each content, by its extension, to its path in `outputs`, after it was given to `note`.

    A file that exists is replaced if an earlier run wrote it, or if it is the beginning of the new one. It is kept if
    it has the same content, or if somebody has changed what an earlier run wrote for the same input and options.
    Without `previous` it is replaced. Returns the versions of the outputs, and of those kept because they were changed.
    Raises OutputNotOurs.
    """
    kept: dict[str, FileVersion] = {}
    changed: dict[str, FileVersion] = {}
    if previous is not None:
        for extension, output in outputs.items():
            found, to_keep = _found(output, contents[extension], previous, extension)
            if to_keep and found:
                (kept if to_keep == "written" else changed)[extension] = found
    new = {extension: contents[extension] for extension in outputs if extension not in kept | changed}
    if new:
        note(new)
        versions = io.write_all({outputs[extension]: content for extension, content in new.items()})
        kept |= {extension: versions[outputs[extension]] for extension in new}
    return {extension: kept[extension] for extension in outputs if extension in kept}, changed


def _found(
    output: str, new: bytes, previous: PreviousOutputs, extension: str
) -> tuple[FileVersion | None, Literal["written", "changed"] | None]:
    """Return the version of the file at an output's path, and why it must be kept, if it must."""
    found = version_of(output)
    if found is None or found == previous.outputs.get(extension):
        return found, None
    there = io.read(output)
    if there == new:
        return found, "written"
    if new.startswith(there):
        return found, None
    if extension in previous.same:
        return found, "changed"
    raise not_ours(output)
