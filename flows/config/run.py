"""The settings of a run that do not change its outputs."""

from pydantic import Field

from flows.config.deadline import Duration, StopAfter
from tasks.options import Options


class RunSettings(Options):
    """How a batch is run: none of these changes an output."""

    report: str | None = Field(None, description="write the run's report to this file, as JSON")
    audio_budget: int | None = Field(
        None, ge=1, description="most MB of decoded audio on a machine at a time (default: a third of its object store)"
    )
    ray_address: str | None = Field(
        None, description="Ray cluster to join, such as head:6379 (default: RAY_ADDRESS, else a Ray of its own)"
    )
    results_dir: str | None = Field(
        None, description="folder for the stages' results, from which later runs go on (default: in the output folder)"
    )
    overwrite: bool = Field(False, description="do everything again, and replace any outputs that exist")
    retry_failed: bool = Field(
        False, description="try files again whose content made them fail in an earlier run; --only failed does too"
    )
    stage_timeout: float | None = Field(
        None,
        gt=0,
        description="seconds that a stage may take for a file before its process is killed (default: half an hour and "
        "20 times the length of the audio)",
    )
    stop_after: StopAfter | None = Field(
        None,
        description="start no more files after a time of day, such as 06:30, or a duration, such as 8h or 90min; files "
        "in progress are finished, and the rest is left for the next run",
    )
    shard_size: int = Field(
        1000, ge=1, description="files in a subflow: a batch with more is divided into shards, which share the pools"
    )
    ray_dashboard: bool = Field(
        False, description="run Ray's dashboard, if the run starts its own Ray, which then takes longer"
    )
    keep_warm: Duration | None = Field(
        None,
        description="keep the processes with their models for so long after the run, such as 15m, for the next run; "
        "they hold their memory and GPUs until then",
    )
    verbose: bool = Field(True, description="show progress; False leaves the failures and the summary")
