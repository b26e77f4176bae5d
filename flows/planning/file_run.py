"""The state of one file of a run, from planning to its outcome."""

import os
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, cast
from uuid import UUID

from flows.config.file_overrides import NO_OVERRIDES, FileOverrides
from flows.state.ledger_rows import Row
from flows.state.ledger_rows import Written as WrittenRow
from tasks.audio.types import BYTES_PER_SECOND, AudioFile
from tasks.people.output_keys import outputs_key
from tasks.stage_table import SECOND_PASS, STAGES, inputs_of
from tasks.storage import urls
from tasks.storage.outputs import OutputPath, PreviousOutputs
from tasks.storage.results import StoredResult
from tasks.storage.write_ahead import WriteAhead
from tasks.written import WriteResult

FIRST_PASS = frozenset(STAGES) - SECOND_PASS
LOSSLESS, COMPRESSED, SPEECH, VIDEO = 64_000, 16_000, 4_000, 250_000
USUAL_RATES = {
    LOSSLESS: ".aif .aifc .aiff .ape .au .caf .flac .rm .snd .tta .voc .w64 .wav .wv",
    SPEECH: ".amr .gsm .opus .spx",
    VIDEO: ".avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .mxf .ogv .ts .vob .webm .wmv",
}
"""Usual rates: between telephone and studio quality, 128 kbit/s, voice codecs, 2 Mbit/s. They only order the files."""
RATES = {extension: rate for rate, extensions in USUAL_RATES.items() for extension in extensions.split()}
Status = Literal["waiting", "done", "skipped", "failed", "left"]


class StageFuture(Protocol):
    """The result of a stage's task run for one file."""

    def fetch(self) -> Any:
        """Return the result, once the task run is done."""

    def release(self) -> None:
        """Drop the result."""


class Outcomes(Protocol):
    """Takes what planning finds out about files."""

    def opened(self, file: "FileRun", source: AudioFile) -> None:
        """Record what a file's header says, in place of estimates."""

    def skipped(self, file: "FileRun", written: WriteResult) -> None:
        """Record that a file's outputs were there already."""

    def failed(self, file: "FileRun", error: str, *, lasting: bool = False) -> None:
        """Record why a file has failed; `lasting`: another run would meet the same error."""

    def failed_before(self, file: "FileRun", error: str) -> None:
        """Record that a file is not tried, since it failed in an earlier run and has not changed."""


@dataclass(eq=False)
class FileRun:
    """One file's way through the batch: its futures while it is in flight, its outcome when it is finished."""

    index: int
    source: AudioFile
    output: OutputPath
    options: FileOverrides = NO_OVERRIDES
    status: Status = "waiting"
    shard: int = 1
    """The number of the shard that it is done in."""
    unopened: bool = False
    """It has not been opened yet, so that its duration and track are not known."""
    begun: bool = False
    """It was admitted to the stages."""
    error: str | None = None
    failed_run: UUID | None = None
    """The task run that failed."""
    lasting: bool = False
    """The failure is due to its content: later runs report it without trying again."""
    failed_before: bool = False
    """It failed in an earlier run in such a way, and was not tried again."""
    written: WriteResult | None = None
    timings_s: dict[str, float] = field(default_factory=dict)
    stages: frozenset[str] = FIRST_PASS
    """The stages that it goes through if nothing of it is stored."""
    missing: frozenset[str] = FIRST_PASS
    """Those that it still has to go through."""
    diarize_parts: bool = False
    """Where it is transcribed in parts, each of them is diarized."""
    previous: PreviousOutputs | None = None
    """What earlier runs wrote for it; None: all existing outputs are replaced."""
    ahead: WriteAhead | None = None
    """The write-ahead note of its outputs."""
    key: str = ""
    """The digests of its content and of all options of its outputs, once it is read; without names of speakers."""
    futures: dict[str, StageFuture] = field(default_factory=dict)
    running: int = 0
    """How many of its task runs are submitted and not finished."""

    @property
    def expected_s(self) -> float:
        """Its duration in seconds; before it is opened, an estimate."""
        if self.unopened and not self.source.duration_s:
            return _estimated_s(self.source.path, self.source.size or 0)
        return self.source.duration_s

    @property
    def decoded_s(self) -> float:
        """The seconds of audio that this run decodes of it: none if results of an earlier run are enough."""
        return self.expected_s if "load audio" in self.missing else 0.0

    @property
    def decoded_bytes(self) -> int:
        """What its decoded audio takes in the object store."""
        sound_s = self.source.sound_s if "load audio" in self.missing else 0.0
        return int((sound_s or self.decoded_s) * BYTES_PER_SECOND)

    @property
    def used_options(self) -> FileOverrides:
        """Its options, without those of diarization that change nothing of this recording."""
        if self._one_speaker_a_part:
            return self.options.model_copy(update={"diarize": False})
        if self.diarize_parts and not self.source.parts:
            return self.options.model_copy(update={"diarize": True, "diarize_channels": False})
        return self.options

    @property
    def _one_speaker_a_part(self) -> bool:
        """Whether it is certainly transcribed in parts, each of one speaker."""
        return self.source.is_split and not self.diarize_parts

    def inputs_of(self, stage: str, results: str) -> dict[str, StageFuture | StoredResult | None]:
        """Return the arguments of the stage's task that other stages make: in this run, or stored in `results`.

        None for those of a stage that this file does not go through.
        """

        def result_of(provider: str) -> StageFuture | StoredResult:
            return self.futures.get(provider) or StoredResult(results, self.source.keys[provider])

        return {
            parameter: None if provider is None else result_of(provider)
            for parameter, provider in inputs_of(stage, self.stages).items()
        }

    def found(self, source: AudioFile) -> None:
        """Take what was found out about the recording, and do not diarize one whose parts are one speaker each."""
        self.source = source
        if self._one_speaker_a_part:
            self.leave_out(frozenset(("diarize",)))

    def leave_out(self, stages: frozenset[str]) -> None:
        """Record that the file turns out not to need these stages."""
        self.stages -= stages
        self.missing -= stages

    def outputs(self) -> list[str]:
        """Return the paths of its outputs, once it is done."""
        if not self.written:
            return []
        extensions = [*self.written.outputs, *self.written.changed]
        return [self.output.render(self.written.language, extension) for extension in extensions]

    def outcome(self) -> Row:
        """Return the ledger's row for its outcome."""
        row = Row(status=self.status, error=self.error)
        if self.written:
            row |= Row(template=self.output.template, pattern=self.output.pattern, refused=None)
            key = outputs_key(self.key, self.written.people, provisional=self.written.provisional)
            outputs = {"outputs": self.written.outputs, "changed": self.written.changed}
            row["written"] = {key: cast(WrittenRow, {**self.written.facts, **outputs})}
        return row

    def record(self) -> dict[str, Any]:
        """Return its entry in the report."""
        quality = self.written.quality if self.written else None
        return {
            "path": urls.shown(self.source.path),
            "tracks": [
                {"path": urls.shown(track.file.path), "speaker": track.speaker, "offset_s": track.offset_s}
                for track in self.source.tracks
            ],
            "status": self.status,
            "outputs": self.outputs(),
            "error": self.error,
            "duration_s": round(self.source.duration_s, 3),
            "timings_s": self.timings_s,
            "language": self.written.language if self.written else None,
            "speakers": self.written.speakers if self.written else None,
            "aligned_by": self.written.aligned_by if self.written else None,
            "note": self.written.note if self.written else None,
            "provisional": self.written.provisional if self.written else False,
            "verdict": quality["verdict"] if quality else None,
            "reasons": quality["reasons"] if quality else [],
            "people": self.written.people if self.written else None,
            "second_pass": quality.get("second_pass", []) if quality else [],
            "failed_before": self.failed_before,
        }


def _estimated_s(path: str, size: int) -> float:
    """Return about how many seconds of audio a file of so many bytes holds."""
    return size / RATES.get(os.path.splitext(path)[1].lower(), COMPRESSED)
