"""Checks of manifests' overrides, and of the paths of outputs, reports and models."""

import os
import tempfile
from collections import Counter
from pathlib import Path

from pydantic import ValidationError

from flows.config.file_overrides import FileOverrides
from flows.config.inputs import Entry
from tasks.diarize import DiarizeOptions
from tasks.errors import InvalidInput, message_of, one_line
from tasks.storage import filesystems, io, urls
from tasks.transcribe import TranscribeOptions


def check_files(
    entries: list[Entry],
    manifest: str,
    transcribe: TranscribeOptions,
    diarize: DiarizeOptions | None,
    *,
    rttm: bool,
) -> None:
    """Raise InvalidInput for overrides that do not fit the options of the batch, and for outputs named twice."""
    wrong = []
    first: dict[tuple[FileOverrides, bool], Entry] = {}
    for entry in entries:
        first.setdefault((entry.options, bool(entry.tracks)), entry)
    for (options, of_tracks), entry in first.items():
        where = f"--manifest {one_line(manifest)}, line {entry.line}" if entry.line else "what is known of a file"
        try:
            split = options.transcribing(transcribe).channels == "split" or of_tracks
            diarized = options.diarizing(diarize) is not None
        except ValidationError as error:
            wrong += [f"{where}: {problem['msg'].removeprefix('Value error, ')}" for problem in error.errors()]
            continue
        if (options.diarize or options.diarize_channels) and not diarize:
            wrong.append(f"{where}: the batch has no options for diarization (diarize), which this file asks for")
        if of_tracks and options.diarize and diarize and not options.diarizing_parts(diarize):
            wrong.append(f"{where}: a track of a group is one speaker: leave out diarize, or set diarize_channels")
        if rttm and not (split or diarized):
            wrong.append(f"{where}: output_format rttm holds speaker turns, and this file is not diarized")
    outputs = Counter(entry.options.output.casefold() for entry in entries if entry.options.output)
    wrong += [
        f"--manifest {one_line(manifest)}: {counted} files have the output {one_line(output)}"
        for output, counted in outputs.items()
        if counted > 1
    ]
    if wrong:
        raise InvalidInput("\n".join(wrong))


def check_folder(option: str, folder: str) -> None:
    """Raise InvalidInput unless a folder can be written to or created; of a URL, unless it can be reached."""
    if urls.is_url(folder):
        check_reachable(option, folder)
    else:
        _check_writable(option, folder, Path(folder))


def _check_writable(option: str, given: str, folder: Path) -> None:
    """Raise InvalidInput unless a file can be created in this folder, or where that would be made; none is left."""
    there = folder.absolute()
    while not os.path.lexists(there):
        there = there.parent
    if not there.is_dir():
        raise InvalidInput(f"--{option} {one_line(given)}: {one_line(str(there))} is not a folder; name another one")
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise InvalidInput(
            f"--{option} {one_line(given)}: cannot write to {one_line(str(there))}: {message_of(error)}; "
            "name another folder"
        ) from None


def check_reachable(option: str, url: str) -> None:
    """Raise InvalidInput unless the store of a URL answers."""
    try:
        io.version_of(urls.join(url, "whisperx-batch"))
    except (OSError, filesystems.UnsupportedLocation) as error:
        raise InvalidInput(f"--{option} {one_line(urls.shown(url))}: {message_of(error)}") from None


def check_report(report: str) -> None:
    """Raise InvalidInput unless a report can be written to this file; one that is no report is not replaced."""
    if urls.is_url(report):
        check_reachable("report", report)
        return
    if os.path.isdir(report):
        raise InvalidInput(f"--report {one_line(report)}: this is a folder; name a file")
    if os.path.isfile(report) and not _is_report(report):
        raise InvalidInput(f"--report {one_line(report)}: this file is not the report of a run; name another one")
    _check_writable("report", report, Path(report).parent)


def _is_report(path: str) -> bool:
    """Return whether a file begins as reports do, or is empty."""
    with open(path, encoding="utf-8", errors="replace") as file:
        start = "".join(file.read(100).split())
    return not start or start.startswith('{"files":')


def check_model(option: str, model: str, holds: tuple[str, ...]) -> None:
    """Raise InvalidInput for a model named by a path that is no folder with one of the files that it `holds`."""
    if urls.is_url(model):
        _check_model_url(option, model, holds)
        return
    first, *rest = model.split("/")
    looks_like_path = model.startswith(("/", ".", "~")) or len(rest) > 1 or bool(rest and os.path.isdir(first))
    if os.path.isdir(model):
        if not any(os.path.exists(os.path.join(model, name)) for name in holds):
            raise InvalidInput(f"--{option} {one_line(model)}: no {' or '.join(holds)} in this folder")
    elif looks_like_path and not os.path.isfile(model):
        raise InvalidInput(f"--{option} {one_line(model)}: no such folder")


def _check_model_url(option: str, model: str, holds: tuple[str, ...]) -> None:
    try:
        found = filesystems.find(model)
    except (OSError, filesystems.UnsupportedLocation) as error:
        raise InvalidInput(f"--{option} {one_line(urls.shown(model))}: {message_of(error)}") from None
    if not any(name.endswith(f"/{held}") for name in found for held in holds):
        raise InvalidInput(f"--{option} {one_line(urls.shown(model))}: no {' or '.join(holds)} there")
