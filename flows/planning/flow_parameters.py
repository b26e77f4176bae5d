"""A batch as parameters of a flow run: by absolute paths, and of a size that Prefect's server takes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from flows.config.inputs import Inputs
from flows.config.parameters import Batch
from flows.planning.discovery import read_batch_file
from flows.planning.expansion import absolute_input
from flows.state.folder import OutputFolder
from tasks.storage.urls import absolute, is_absolute, shown

LONGEST_PARAMETER = 100_000
"""Characters of paths that go into a run's parameters, which the server stores and each page of its UI loads."""
LIST = "inputs-"
"""Prefix of the lists of inputs in the state folder."""


def as_parameters(batch: Batch) -> Batch:
    """Return the same batch for any other process to run. Raises InvalidInput, OSError."""
    folder = OutputFolder.of(batch)
    changed: dict[str, Any] = {
        "inputs": inputs_as_parameters(batch.inputs, folder.state_dir),
        "write": batch.write.model_copy(update={"output_dir": folder.location}),
        "transcribe": batch.transcribe.model_copy(update={"model": _if_there(batch.transcribe.model)}),
        "align": batch.align and batch.align.with_models(_if_there),
        "people": batch.people.model_copy(update={"speakers": _absolute_if_set(batch.people.speakers)}),
        "models": batch.models.model_copy(update={"model_dir": _absolute_if_set(batch.models.model_dir)}),
        "run": batch.run.model_copy(
            update={"report": _absolute_if_set(batch.run.report), "results_dir": folder.results}
        ),
    }
    if batch.second_pass and (second_model := batch.second_pass.second_model):
        changed["second_pass"] = batch.second_pass.model_copy(update={"second_model": _if_there(second_model)})
    if batch.diarize:
        model = _if_there(batch.diarize.diarize_model)
        changed["diarize"] = batch.diarize.model_copy(update={"diarize_model": model})
    return batch.model_copy(update=changed)


def inputs_as_parameters(inputs: Inputs, state_dir: Path) -> Inputs:
    """Return the same inputs, by absolute paths, as parameters that Prefect's server takes.

    It refuses more than 512 KiB of them, and bytes that are not UTF-8, and shows them to all: such inputs, URLs with
    secrets, and batch files with relative paths go to a list in `state_dir`, which `lists_removed` removes.
    """
    listed = read_batch_file(inputs.batch_file)
    known: dict[str, Any] = {
        "manifest": _absolute_if_set(inputs.manifest),
        "of_report": _absolute_if_set(inputs.of_report),
        "input_roots": [absolute(root) for root in inputs.input_roots],
    }
    if _are_parameters([*inputs.inputs, inputs.batch_file or ""]) and all(map(is_absolute, listed)):
        known["batch_file"] = _absolute_if_set(inputs.batch_file)
        known["inputs"] = [absolute_input(path) for path in inputs.inputs]
        return inputs.model_copy(update=known)
    state_dir.mkdir(parents=True, exist_ok=True)
    written = state_dir / f"{LIST}{uuid4().hex}"
    written.touch(mode=0o600)
    written.write_bytes(b"".join(os.fsencode(absolute_input(path)) + b"\0" for path in [*inputs.inputs, *listed]))
    return inputs.model_copy(update=known | {"inputs": [], "batch_file": str(written.absolute())})


@contextmanager
def lists_removed(state_dir: Path) -> Iterator[None]:
    """Remove the lists that `inputs_as_parameters` writes, of this run and of one that was killed.

    Only for the run that holds the folder.
    """
    _remove_lists(state_dir)
    try:
        yield
    finally:
        _remove_lists(state_dir)


def _remove_lists(state_dir: Path) -> None:
    for written in state_dir.glob(f"{LIST}*"):
        written.unlink(missing_ok=True)


def _are_parameters(paths: list[str]) -> bool:
    """Return whether Prefect's server may have and can hold these paths."""
    text = "".join(paths)
    return len(text) < LONGEST_PARAMETER and _is_utf8(text) and all(shown(path) == path for path in paths)


def _is_utf8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _if_there(model: str) -> str:
    """Return the absolute path of a model that is a folder; a name stays a name."""
    return os.path.abspath(model) if os.path.exists(model) else model


def _absolute_if_set(path: str | None) -> str | None:
    return absolute(path) if path else path
