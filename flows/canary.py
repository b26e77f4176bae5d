"""The flow of the deployment `canary`: tries new options on a sample of the inputs, before a night is spent on them."""

import hashlib
import json
from typing import Annotated, Any, NoReturn

from prefect import flow, runtime
from prefect.exceptions import CancelledRun
from prefect.states import Cancelled, Completed, Failed, State
from pydantic import Field, ValidationError

from flows.batch import whisperx_batch
from flows.config.canary import Limits, OptionSet
from flows.config.inputs import Entry, Inputs
from flows.config.parameters import Batch
from flows.config.pools import PoolSettings
from flows.evaluation.comparison import compare
from flows.planning.discovery import NothingToDo, read_batch_file
from flows.planning.selection import find_entries
from flows.pools.outcome import exception_of
from flows.preflight.check import check_absolute
from flows.preflight.paths import check_folder
from flows.reporting.artifacts import Artifacts
from flows.reporting.markdown.canary import Trial
from flows.services.deployment import deployment_id
from flows.services.engine_log import omit_tracebacks_of_final_states
from flows.services.failures import EXPECTED, RunBroken, in_words
from tasks.errors import InvalidInput, one_line
from tasks.storage import io, urls
from tasks.write import WriteOptions


# Named as the flow that it tries, so that its deployment stands beside the others.
@flow(name="whisperx-batch", flow_run_name="canary", persist_result=False)
def canary(
    inputs: Inputs,
    output_dir: str,
    old: OptionSet = OptionSet(),
    new: OptionSet = OptionSet(),
    sample: Annotated[int, Field(ge=1)] = 20,
    limits: Limits = Limits(),
    pools: PoolSettings = PoolSettings(),
) -> State[Any]:
    """Transcribe a sample of the inputs with the old options and with the new ones, and compare the transcripts.

    Ends Failed if they differ by more than the limits allow, or if the new options fail on a file; Cancelled if it, or
    the run with either options, is cancelled.

    Args:
        inputs: Files of which a sample is taken.
        output_dir: A folder of its own: each run makes a folder for the transcripts in it.
        old: The options that are in use.
        new: The options to try; what is not set here is as in `old`.
        sample: How many files; the same ones in every run.
        limits: How much may differ.
        pools: The sizes of the stages' pools.
    """
    if deployment_id():
        omit_tracebacks_of_final_states()
    folder = urls.join(urls.absolute(output_dir), f"{runtime.flow_run.scheduled_start_time:%Y-%m-%d %H%M%S}")
    try:
        _check(inputs, output_dir, [old, new])
        manifest = urls.join(folder, "sample.jsonl")
        chosen = _sample(find_entries(inputs, _refuse_only), sample)
        io.write_all({manifest: "".join(f"{row}\n" for entry in chosen for row in _rows(entry)).encode()})
        sides = {"old": old, "new": new.over_set(old)}
        for side, options in sides.items():
            _run(_batch(manifest, urls.join(folder, side), urls.join(output_dir, "results"), options, pools), side)
        trial = Trial.of(compare(urls.join(folder, "old"), urls.join(folder, "new"), None), limits)
    except NothingToDo as reason:
        return Completed(message=f"nothing to do: {reason}")
    except CancelledRun as reason:
        return Cancelled(message=str(reason))
    except (*EXPECTED, ValidationError) as error:
        return Failed(message=in_words(error), data=error)
    artifacts = Artifacts(runtime.flow_run.id)
    artifacts.show("canary", trial.as_markdown(), trial.headline)
    artifacts.close()
    return Failed(message=trial.headline) if trial.exceeded else Completed(message=trial.headline)


def _check(inputs: Inputs, output_dir: str, sets: list[OptionSet]) -> None:
    """Raise InvalidInput for what would be ignored, or fail only when the sample is transcribed."""
    if inputs.only or inputs.of_report:
        _refuse_only()
    if urls.is_url(urls.absolute(output_dir)):
        raise InvalidInput(
            f"output_dir {one_line(urls.shown(output_dir))}: the canary compares files of this machine; name a folder"
        )
    check_folder("output_dir", output_dir)
    listed = read_batch_file(inputs.batch_file) if deployment_id() else []
    for options in sets if deployment_id() else ():
        check_absolute(Batch(inputs=inputs, write=WriteOptions(output_dir=output_dir), models=options.models), listed)


def _refuse_only() -> NoReturn:
    raise InvalidInput("inputs.only and inputs.of_report: a sample is taken of all files; leave them out")


def _sample(entries: list[Entry], size: int) -> list[Entry]:
    """Return files that are spread over all, and stay the same when others are added."""
    return sorted(entries, key=lambda entry: hashlib.sha256(entry.path.encode(errors="surrogateescape")).digest())[
        :size
    ]


def _rows(entry: Entry) -> list[str]:
    """Return the lines of a manifest that name an input."""
    options = entry.options.model_dump(exclude_none=True)
    if not entry.tracks:
        return [json.dumps({"path": entry.path, **options})]
    group = {"group": options.pop("output"), **options}
    tracks = [{"path": each.path, "speaker": each.speaker, "offset": each.offset_s} for each in entry.tracks]
    return [json.dumps(track | group) for track in tracks]


def _batch(manifest: str, output_dir: str, results_dir: str, options: OptionSet, pools: PoolSettings) -> Batch:
    """Return the batch of the sample with these options; stages whose options are the same share their results."""
    formats = ["json", *(["quality"] if options.check else []), *(["rttm"] if options.diarize else [])]
    return Batch.model_validate(
        {
            **dict(options),
            "inputs": {"manifest": manifest},
            "write": {"output_dir": output_dir, "output_format": ",".join(formats)},
            "run": {"report": urls.join(output_dir, "report.json"), "results_dir": results_dir},
            "pools": pools,
        }
    )


def _run(batch: Batch, side: str) -> None:
    """Run the batch as a subflow; files that fail are found by the comparison. Raises RunBroken, CancelledRun."""
    state = whisperx_batch.with_options(flow_run_name=f"{side} options")(**dict(batch), return_state=True)
    if state.is_cancelled():
        raise CancelledRun(f"the run with the {side} options was cancelled")
    if error := exception_of(state):
        raise RunBroken(f"with the {side} options: {in_words(error)}")
