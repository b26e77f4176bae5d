"""What a batch is and how it is run: the parameters of the flow, and so the form in Prefect's UI."""

import os
from hashlib import sha256
from pathlib import Path

from pydantic import Field, model_validator

from flows.config.deadline import STOP_AFTER
from flows.config.inputs import Inputs, absolute_if_set
from flows.planning.discovery import read_batch_file
from flows.planning.manifest import Entry
from flows.pools.sizing import PoolSettings
from flows.preflight.models import check_names
from flows.preflight.offline import offline_notices
from flows.preflight.paths import check_files, check_output_folder, check_reachable, check_report
from flows.state.ledger import FOLDER, LEDGER, Ledger
from tasks.align import AlignOptions
from tasks.bad_input import InvalidInput, one_line
from tasks.diarize import DiarizeOptions
from tasks.models.options import ModelOptions
from tasks.options import Options
from tasks.storage.urls import absolute, is_absolute, is_url, join
from tasks.transcribe import TranscribeOptions
from tasks.write import WriteOptions


class RunSettings(Options):
    """What holds for the run, not for its outputs."""

    report: str | None = Field(None, description="write the run's report to this file, as JSON")
    audio_budget: int | None = Field(
        None, ge=1, description="most MB of decoded audio in flight (default: a third of Ray's object store)"
    )
    ray_address: str | None = Field(
        None, description="Ray cluster to join, such as head:6379 (default: RAY_ADDRESS, else a Ray of its own)"
    )
    results_dir: str | None = Field(
        None, description="folder for the stages' results, from which later runs go on (default: in the output folder)"
    )
    overwrite: bool = Field(False, description="do everything again, and replace outputs whoever wrote them")
    retry_failed: bool = Field(
        False, description="try files again whose content an earlier run could not do; --only failed does too"
    )
    stage_timeout: float | None = Field(
        None,
        gt=0,
        description="seconds that a stage may take for a file before its process is killed (default: half an hour and "
        "20 times the length of the audio)",
    )
    stop_after: str | None = Field(
        None,
        pattern=STOP_AFTER,
        description="begin no more files after a time of day, such as 06:30, or a while, such as 8h or 90min; what is "
        "begun is finished, and the rest is left for the next run",
    )
    ray_dashboard: bool = Field(True, description="run Ray's dashboard, if the run starts its own Ray")
    verbose: bool = Field(True, description="show progress; False leaves the failures and the summary")


def _if_there(model: str) -> str:
    """Return the absolute path of a model that is a folder; a name stays a name."""
    return os.path.abspath(model) if os.path.exists(model) else model


class Batch(Options):
    """A batch: what to transcribe, and how. Its fields are the parameters of the flow."""

    inputs: Inputs = Inputs()
    write: WriteOptions = WriteOptions()
    transcribe: TranscribeOptions = TranscribeOptions()
    align: AlignOptions | None = AlignOptions()
    diarize: DiarizeOptions | None = None
    models: ModelOptions = ModelOptions()
    run: RunSettings = RunSettings()
    pools: PoolSettings = PoolSettings()

    @model_validator(mode="after")
    def _possible(self) -> "Batch":
        if self.align is not None and self.transcribe.task == "translate":
            raise ValueError("a translation cannot be aligned: leave align out")
        wanted = [name for name in ("highlight_words", "max_line_count", "max_line_width") if getattr(self.write, name)]
        if self.align is None and wanted:
            raise ValueError(f"{wanted[0]} is not possible without word timings (no_align)")
        if self.diarize is None and "rttm" in self.write.formats():
            raise ValueError("output_format rttm holds speaker turns: set diarize too, or leave rttm out")
        return self

    def own_folder(self) -> Path:
        """Return our own folder on this machine, with the ledger and the claim: in the output folder, if that is here.

        What belongs to an output folder that is a URL lies where programs keep their state.
        """
        out = absolute(self.write.output_dir)
        if not is_url(out):
            return Path(out, FOLDER)
        state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
        return state / "whisperx-batch" / sha256(out.rstrip("/").encode()).hexdigest()[:16]

    def ledger(self) -> Ledger:
        """Return what is known of the files of earlier runs. Raises OSError, UnsupportedLocation."""
        out = absolute(self.write.output_dir)
        return Ledger(self.own_folder(), out, join(join(out, FOLDER), LEDGER) if is_url(out) else None)

    def results_folder(self) -> str:
        """Return the place of Prefect's result storage, which all machines of the run must see."""
        out = absolute(self.write.output_dir)
        return absolute(self.run.results_dir) if self.run.results_dir else join(join(out, FOLDER), "results")

    def check(self) -> list[Entry]:
        """Return the input files, after all that can be checked before they are looked into. Raises InvalidInput."""
        entries = self.inputs.entries(self.ledger)
        check_files(
            entries,
            self.inputs.manifest or "",
            self.transcribe,
            self.diarize,
            rttm="rttm" in self.write.formats(),
        )
        check_names(self)
        check_output_folder(self.write.output_dir)
        if is_url(self.results_folder()):
            check_reachable("results_dir", self.results_folder())
        if self.run.report:
            check_report(self.run.report)
        if self.inputs.of_report and not self.inputs.only:
            raise InvalidInput("--of_report says which files failed: use it with --only failed")
        return entries

    def check_absolute(self) -> None:
        """Raise InvalidInput for a relative path: a worker runs each flow in a temporary folder."""
        named = {"run.report": self.run.report, "run.results_dir": self.run.results_dir}
        named |= {"inputs.batch_file": self.inputs.batch_file, "inputs.of_report": self.inputs.of_report}
        named |= {"inputs.manifest": self.inputs.manifest}
        named |= {"write.output_dir": self.write.output_dir, "models.model_dir": self.models.model_dir}
        for name, path in [
            *named.items(),
            *(("inputs.inputs", path) for path in self.inputs.inputs),
            *(("inputs.input_roots", path) for path in self.inputs.input_roots),
        ]:
            if path and not is_absolute(path):
                raise InvalidInput(f"{name} {one_line(path)}: a deployment needs absolute paths")
        for path in read_batch_file(self.inputs.batch_file):
            if not is_absolute(path):
                raise InvalidInput(
                    f"inputs.batch_file {one_line(self.inputs.batch_file or '')} names {one_line(path)}: "
                    "a deployment needs absolute paths"
                )

    def as_parameters(self) -> "Batch":
        """Return the same batch for any other process to run: by absolute paths, and of a size that Prefect takes."""
        models = self.models.model_copy(update={"model_dir": absolute_if_set(self.models.model_dir)})
        transcribe = self.transcribe.model_copy(update={"model": _if_there(self.transcribe.model)})
        align = self.align and self.align.with_models(_if_there)
        diarize = self.diarize and self.diarize.model_copy(
            update={"diarize_model": _if_there(self.diarize.diarize_model)}
        )
        write = self.write.model_copy(update={"output_dir": absolute_if_set(self.write.output_dir)})
        run = self.run.model_copy(
            update={"report": absolute_if_set(self.run.report), "results_dir": self.results_folder()}
        )
        inputs = self.inputs.as_parameters(self.own_folder())
        changed = {"inputs": inputs, "transcribe": transcribe, "align": align, "diarize": diarize}
        return self.model_copy(update=changed | {"write": write, "models": models, "run": run})

    def notices(self) -> list[str]:
        """Return what the user should know of options that do nothing."""
        transcribe = self.transcribe
        idle = [name for name in transcribe.unused() if name in transcribe.model_fields_set]
        idle += ["segment_resolution"] if "segment_resolution" in self.write.model_fields_set else []
        notices = [f"--{name} has no effect: WhisperX 3.8.6 accepts it and never reads it" for name in idle]
        if transcribe.language not in (None, transcribe.fixed_language):
            notices.append(f"--language {transcribe.language} has no effect: {transcribe.model} knows English alone")
        if self.models.device_index:
            notices.append("--device_index has no effect: Ray assigns GPUs; choose them with CUDA_VISIBLE_DEVICES")
        if self.write.max_line_count and not self.write.max_line_width:
            notices.append("--max_line_count has no effect without --max_line_width")
        return notices + offline_notices(self)
