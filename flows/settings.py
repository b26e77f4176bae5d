"""All that can be set, from one definition: the command line, the environment, a settings file, the flow's form."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from pydantic import BaseModel, Field, SecretStr, model_validator
from pydantic_settings import (
    BaseSettings,
    CliToggleFlag,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from flows.inputs import BadInput, check_model, check_output_folder, check_report, find_inputs, given_paths
from flows.layout import PoolSettings
from flows.ledger import FOLDER, Ledger
from flows.report import one_line
from flows.stop_after import STOP_AFTER
from tasks.align import AlignOptions
from tasks.aligners import CROSS_ATTENTION
from tasks.diarize import DiarizeOptions
from tasks.models import ModelOptions
from tasks.options import Options
from tasks.transcribe import TranscribeOptions
from tasks.write import WriteOptions

SETTINGS_FILE = "whisperx-batch.toml"
LONGEST_PARAMETER = 100_000
"""Characters of paths that go into a run's parameters, which the server stores and each page of its UI loads."""


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


class Inputs(Options):
    """The audio and video files of a batch."""

    inputs: list[str] = Field(default_factory=list, description="files, folders and globs")
    batch_file: str | None = Field(None, description="file with one path a line, or parted by NULs")
    only: Literal["failed"] | None = Field(
        None, description="failed: of the inputs (default: all of earlier runs) those alone that are not done yet"
    )
    of_report: str | None = Field(None, description="with --only: the report whose failed files are meant")

    def paths(self, own_folder: Path) -> list[Path]:
        """Return the files that are meant: those named, or all of the report or the last runs. Raises BadInput."""
        if not self.only or self.inputs or self.batch_file:
            return find_inputs(self.inputs, self.batch_file)
        ledger = Ledger(own_folder)
        if not self.of_report and not ledger.rows:
            raise BadInput("--only failed: no earlier run in this output folder is known; name the inputs")
        paths = [Path(path) for path in sorted(self._reported() if self.of_report else ledger.rows)]
        chosen = [path for path in paths if self.chooses(str(path), ledger)]
        if not chosen:
            raise BadInput("--only failed: no file has failed; there is nothing to do")
        return chosen

    def chooses(self, path: str, ledger: Ledger) -> bool:
        """Tell whether `only` leaves this file in. Raises BadInput."""
        if not self.only:
            return True
        if self.of_report:
            return self._reported().get(path) == "failed"
        return ledger.row(path).get("status") not in ("done", "skipped")

    def _reported(self) -> dict[str, str]:
        return _statuses(self.of_report or "")

    def as_parameters(self, folder: Path) -> "Inputs":
        """Return the same inputs, by absolute paths, as parameters that Prefect's server takes.

        It refuses more than 512 KiB of them, and bytes that are not UTF-8: such inputs go to a list in `folder`.
        """
        text, of_report = "".join(self.inputs), _absolute(self.of_report)
        if len(text) < LONGEST_PARAMETER and _is_utf8(text + (self.batch_file or "")):
            batch_file = _absolute(self.batch_file)
            inputs = [os.path.abspath(path) for path in self.inputs]
            return self.model_copy(update={"inputs": inputs, "batch_file": batch_file, "of_report": of_report})
        paths = [os.fsencode(os.path.abspath(path)) for path in given_paths(self.inputs, self.batch_file)]
        folder.mkdir(parents=True, exist_ok=True)
        listed = folder / f"inputs-{uuid4().hex}"
        listed.write_bytes(b"\0".join(paths) + b"\0")
        listed_alone: dict[str, Any] = {"inputs": [], "batch_file": str(listed.absolute()), "of_report": of_report}
        return self.model_copy(update=listed_alone)


@cache
def _statuses(report: str) -> dict[str, str]:
    """Return the status of each file in a report. Raises BadInput."""
    try:
        records = json.loads(Path(report).read_text(encoding="utf-8"))["files"]
        return {record["path"]: record["status"] for record in records}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise BadInput(f"--of_report {one_line(report)}: no report of this program: {error}") from None


def _is_utf8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _absolute(path: str | None) -> str | None:
    return os.path.abspath(path) if path else path


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
        return self

    def own_folder(self) -> Path:
        """Return our own folder in the output folder: the ledger, the claim, the results."""
        return Path(os.path.abspath(self.write.output_dir), FOLDER)

    def results_folder(self) -> str:
        """Return the folder of Prefect's result storage, which all machines of the run must see."""
        return os.path.abspath(self.run.results_dir) if self.run.results_dir else str(self.own_folder() / "results")

    def check(self) -> list[Path]:
        """Return the input files, after all that can be checked before a model loads. Raises BadInput."""
        paths = self.inputs.paths(self.own_folder())
        if not os.path.exists(self.transcribe.model) and "/" not in self.transcribe.model:
            from faster_whisper.utils import available_models

            if self.transcribe.model not in available_models():
                raise BadInput(
                    f"--model {self.transcribe.model}: no such folder, and no such Whisper model; "
                    f"there are {', '.join(available_models())}"
                )
        check_model("model", self.transcribe.model, ("model.bin",))
        for aligner in self.align.aligners().values() if self.align else ():
            if aligner != CROSS_ATTENTION:
                check_model("align_model", aligner, ("config.json",))
        if self.diarize:
            check_model("diarize_model", self.diarize.diarize_model, ("config.yaml",))
        check_output_folder(self.write.output_dir)
        if self.run.report:
            check_report(self.run.report)
        if self.inputs.of_report and not self.inputs.only:
            raise BadInput("--of_report says which files failed: use it with --only failed")
        return paths

    def check_absolute(self) -> None:
        """Raise BadInput for a relative path: a worker runs each flow in a new folder, which it removes at the end."""
        named = {"run.report": self.run.report, "run.results_dir": self.run.results_dir}
        named |= {"inputs.batch_file": self.inputs.batch_file, "inputs.of_report": self.inputs.of_report}
        named |= {"write.output_dir": self.write.output_dir, "models.model_dir": self.models.model_dir}
        for name, path in [*named.items(), *(("inputs.inputs", path) for path in self.inputs.inputs)]:
            if path and not os.path.isabs(path):
                raise BadInput(f"{name} {one_line(path)}: a deployment needs absolute paths")

    def as_parameters(self) -> "Batch":
        """Return the same batch for any other process to run: by absolute paths, and of a size that Prefect takes."""
        models = self.models.model_copy(update={"model_dir": _absolute(self.models.model_dir)})
        transcribe = self.transcribe.model_copy(update={"model": _if_there(self.transcribe.model)})
        align = self.align and self.align.with_models(_if_there)
        diarize = self.diarize and self.diarize.model_copy(
            update={"diarize_model": _if_there(self.diarize.diarize_model)}
        )
        write = self.write.model_copy(update={"output_dir": _absolute(self.write.output_dir)})
        run = self.run.model_copy(update={"report": _absolute(self.run.report), "results_dir": self.results_folder()})
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
        return notices


class Command(
    BaseSettings, TranscribeOptions, AlignOptions, DiarizeOptions, WriteOptions, ModelOptions, PoolSettings, RunSettings
):
    """The command line, flat and with the names of the `whisperx` program and of the predecessor."""

    model_config = SettingsConfigDict(
        env_prefix="WHISPERX_BATCH_",
        cli_parse_none_str="None",
        cli_hide_none_type=True,
        cli_avoid_json=True,
        cli_shortcuts={"output_dir": "o", "output_format": "f", "log_level": "log-level"},
        extra="forbid",
        frozen=True,
    )

    batch_file: str | None = Field(None, description="file with one path a line, or parted by NULs")
    only: Literal["failed"] | None = Field(None, description=Inputs.model_fields["only"].description)
    of_report: str | None = Field(None, description=Inputs.model_fields["of_report"].description)
    overwrite: CliToggleFlag[bool] = Field(False, description=RunSettings.model_fields["overwrite"].description)
    dry_run: CliToggleFlag[bool] = Field(False, description="print the plan and stop; no model is loaded")
    no_align: CliToggleFlag[bool] = Field(False, description="no word timings")
    diarize: CliToggleFlag[bool] = Field(False, description="label words and segments with speakers")
    suppress_numerals: CliToggleFlag[bool] = Field(
        False, description=TranscribeOptions.model_fields["suppress_numerals"].description
    )
    return_char_alignments: CliToggleFlag[bool] = Field(
        False, description=AlignOptions.model_fields["return_char_alignments"].description
    )
    temperature_fallback: CliToggleFlag[bool] = Field(
        False, description=TranscribeOptions.model_fields["temperature_fallback"].description
    )
    speaker_embeddings: CliToggleFlag[bool] = Field(
        False, description=DiarizeOptions.model_fields["speaker_embeddings"].description
    )
    hf_token: SecretStr | None = Field(
        None, description="Hugging Face token for gated models; better set HF_TOKEN, which no process list shows"
    )
    log_level: Literal["debug", "info", "warning", "error", "critical"] | None = Field(
        None, description="lowest level of log lines to show (default: critical)"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the command line win over the environment, and that over the settings file."""
        named = os.environ.get("WHISPERX_BATCH_SETTINGS_FILE")
        if named and not os.path.isfile(named):
            raise FileNotFoundError(f"WHISPERX_BATCH_SETTINGS_FILE: no file {named}")
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, named or SETTINGS_FILE)

    def batch(self, inputs: list[str]) -> Batch:
        """Return the batch that the command asks for. Raises pydantic.ValidationError."""
        aligned = not self.no_align and self.task != "translate"
        return Batch(
            inputs=Inputs(inputs=inputs, batch_file=self.batch_file, only=self.only, of_report=self.of_report),
            transcribe=TranscribeOptions(**self._given(TranscribeOptions)),
            align=AlignOptions(**self._given(AlignOptions)) if aligned else None,
            diarize=DiarizeOptions(**self._given(DiarizeOptions)) if self.diarize else None,
            write=WriteOptions(**self._given(WriteOptions)),
            models=ModelOptions(**self._given(ModelOptions)),
            pools=PoolSettings(**self._given(PoolSettings)),
            run=RunSettings(**self._given(RunSettings)),
        )

    def _given(self, group: type[BaseModel]) -> dict[str, Any]:
        return {name: getattr(self, name) for name in group.model_fields if name in self.model_fields_set}
