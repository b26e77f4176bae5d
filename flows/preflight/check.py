"""Checks of a batch before its files are opened, and notices of options that have no effect."""

import os
from collections.abc import Iterable

from flows.config.inputs import Entry
from flows.config.parameters import Batch
from flows.preflight.device import check_device
from flows.preflight.models import check_names
from flows.preflight.offline import offline_notices
from flows.preflight.paths import check_files, check_folder, check_report
from flows.state.folder import OutputFolder
from tasks.errors import InvalidInput, one_line
from tasks.storage.urls import is_absolute


def check(batch: Batch, entries: list[Entry]) -> None:
    """Check the options, the models' names, and the folders that are written to. Raises InvalidInput."""
    check_files(
        entries,
        batch.inputs.manifest or "",
        batch.transcribe,
        batch.diarize,
        rttm="rttm" in batch.write.formats(),
    )
    check_names(batch)
    check_folder("output_dir", batch.write.output_dir)
    check_folder("results_dir", OutputFolder.of(batch).results)
    if batch.people.speakers and not os.path.isdir(batch.people.speakers):
        raise InvalidInput(f"--speakers {one_line(batch.people.speakers)}: no such folder")
    if batch.run.report:
        check_report(batch.run.report)
    if batch.inputs.of_report and not batch.inputs.only:
        raise InvalidInput("--of_report says which files failed: use it with --only failed")
    check_device(batch)


def check_absolute(batch: Batch, listed: Iterable[str]) -> None:
    """Raise InvalidInput for a relative path in the batch or among those `listed` in its batch file.

    A worker runs each flow in a new folder, which it removes at the end.
    """
    inputs = batch.inputs
    for name, path in [
        ("run.report", batch.run.report),
        ("run.results_dir", batch.run.results_dir),
        ("inputs.batch_file", inputs.batch_file),
        ("inputs.of_report", inputs.of_report),
        ("inputs.manifest", inputs.manifest),
        ("write.output_dir", batch.write.output_dir),
        ("people.speakers", batch.people.speakers),
        ("models.model_dir", batch.models.model_dir),
        *(("inputs.inputs", path) for path in inputs.inputs),
        *(("inputs.input_roots", path) for path in inputs.input_roots),
    ]:
        if path and not is_absolute(path):
            raise InvalidInput(f"{name} {one_line(path)}: a deployment needs absolute paths")
    for path in listed:
        if not is_absolute(path):
            raise InvalidInput(
                f"inputs.batch_file {one_line(inputs.batch_file or '')} names {one_line(path)}: "
                "a deployment needs absolute paths"
            )


def notices(batch: Batch) -> list[str]:
    """Return a notice for each option that has no effect."""
    transcribe, write = batch.transcribe, batch.write
    idle = [name for name in transcribe.unused() if name in transcribe.model_fields_set]
    idle += ["segment_resolution"] if "segment_resolution" in write.model_fields_set else []
    found = [f"--{name} has no effect: WhisperX 3.8.6 accepts it and never reads it" for name in idle]
    if transcribe.language not in (None, transcribe.fixed_language):
        found.append(f"--language {transcribe.language} has no effect: {transcribe.model} knows English alone")
    if batch.models.device_index:
        found.append("--device_index has no effect: Ray assigns GPUs; choose them with CUDA_VISIBLE_DEVICES")
    if write.max_line_count and not write.max_line_width:
        found.append("--max_line_count has no effect without --max_line_width")
    if transcribe.channel_names and transcribe.channels == "mix" and not batch.inputs.manifest:
        found.append("--channel_names has no effect without --channels split or auto")
    if batch.diarize and batch.diarize.diarize_channels and transcribe.channels == "mix" and not batch.inputs.manifest:
        found.append("--diarize_channels has no effect without --channels split or auto")
    return found + offline_notices(batch)
