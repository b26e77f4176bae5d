"""One file's way through the batch, and what is known of it at its end."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

from flows.config.file_overrides import AS_THE_BATCH, FileOptions
from flows.pools.sizing import STAGES
from flows.state.ledger_rows import Row
from flows.state.ledger_rows import Written as WrittenRow
from tasks.load_audio import BYTES_PER_SECOND, AudioFile
from tasks.storage import urls
from tasks.storage.results import StoredResult
from tasks.storage.write_ahead import WriteAhead
from tasks.write import Earlier, Written, output_path

if TYPE_CHECKING:
    from flows.pools.task_runner import PoolFuture
    from flows.reporting.tracker import Report

Status = Literal["waiting", "done", "skipped", "failed", "left"]


@dataclass(eq=False)
class FileRun:
    """One file's way through the batch: its futures while it is in flight, its outcome when it is finished."""

    index: int
    source: AudioFile
    pattern: str
    """Where its outputs go; {language} and {format} are open in it."""
    options: FileOptions = AS_THE_BATCH
    status: Status = "waiting"
    begun: bool = False
    """It was admitted to the stages."""
    error: str | None = None
    lasting: bool = False
    """It has failed for what is in it: a later run is to say so without trying."""
    failed_before: bool = False
    """It has failed so in an earlier run, and was not tried again."""
    written: Written | None = None
    timings_s: dict[str, float] = field(default_factory=dict)
    missing: frozenset[str] = frozenset(STAGES)
    """The stages that it still has to go through."""
    earlier: Earlier | None = None
    """What earlier runs wrote for it; None if that does not matter."""
    ahead: WriteAhead | None = None
    """Where what is about to be written for it is noted."""
    place: tuple[str, str] = ("", "")
    """The template, and the pattern as the ledger has it: in the output folder, wherever that lies."""
    key: str = ""
    """Stands for its content and all options of its outputs, once it is read."""
    futures: "dict[str, PoolFuture]" = field(default_factory=dict)
    running: int = 0
    """How many of its task runs are submitted and not through."""
    report: "Report" = field(init=False, repr=False)

    @property
    def decoded_s(self) -> float:
        """The seconds of audio that this run decodes of it: none if results of an earlier run are enough."""
        return self.source.duration_s if "load audio" in self.missing else 0.0

    @property
    def decoded_bytes(self) -> int:
        """What its decoded audio takes in the object store."""
        return int(self.decoded_s * BYTES_PER_SECOND)

    def result_of(self, stage: str, results: str) -> "PoolFuture | StoredResult":
        """Return what the stage made of it: in this run, or in an earlier one, in the folder `results`."""
        return self.futures.get(stage) or StoredResult(results, self.source.keys[stage])

    def outputs(self) -> list[str]:
        """Return the paths of its outputs, once it is done."""
        if not self.written:
            return []
        extensions = [*self.written.outputs, *self.written.changed]
        return [output_path(self.pattern, self.written.language, extension) for extension in extensions]

    def outcome(self) -> Row:
        """Return what the ledger is to know of its end."""
        row = Row(status=self.status, error=self.error)
        if self.written:
            row |= Row(template=self.place[0], pattern=self.place[1], refused=None)
            key = "" if self.written.provisional else self.key
            outputs = {"outputs": self.written.outputs, "changed": self.written.changed}
            row["written"] = {key: cast(WrittenRow, {**self.written.facts, **outputs})}
        return row

    def record(self) -> dict[str, Any]:
        """Return its entry in the report."""
        return {
            "path": urls.shown(self.source.path),
            "status": self.status,
            "outputs": self.outputs(),
            "error": self.error,
            "duration_s": round(self.source.duration_s, 3),
            "timings_s": self.timings_s,
            "language": self.written.language if self.written else None,
            "speakers": self.written.speakers if self.written else None,
            "aligned_by": self.written.aligned_by if self.written else None,
            "note": self.written.note if self.written else None,
            "failed_before": self.failed_before,
        }
