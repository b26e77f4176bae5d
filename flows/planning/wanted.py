"""What a batch asks for a file, as digests of the options that count."""

from dataclasses import dataclass, replace
from typing import Any

from flows.config.file_overrides import FileOverrides
from flows.config.parameters import Batch
from tasks.storage.results import options_digest


@dataclass(frozen=True)
class Wanted:
    """What a batch asks for a file: for every stage whose results are stored, the digest of the options that count."""

    stages: dict[str, str]
    outputs: str
    first_pass: str
    """`outputs` without a second pass: right, too, for files without doubt."""
    before: "Wanted | None" = None
    """The same as version 0.1 computed it, if it differs, so that results of that version are found."""

    @classmethod
    def by(cls, batch: Batch, file: FileOverrides) -> "Wanted":
        """Return what this batch asks for a file with these options. Reads the weights of models that are folders."""
        diarize = file.diarizing(batch.diarize)
        if diarize is None:
            return cls._by(batch, file, None)
        inputs, before = diarize.cache_inputs(batch.models), diarize.cache_inputs_without_parts(batch.models)
        wanted = cls._by(batch, file, inputs)
        return wanted if before == inputs else replace(wanted, before=cls._by(batch, file, before))

    @classmethod
    def _by(cls, batch: Batch, file: FileOverrides, diarize: dict[str, Any] | None) -> "Wanted":
        transcribe = file.transcribing(batch.transcribe)
        stages = {"transcribe": options_digest("transcribe", transcribe.cache_inputs(batch.models))}
        if batch.align:
            # An aligner that is named for no language is that of the language asked for.
            asked, upstream = batch.transcribe.fixed_language, stages["transcribe"]
            stages["align"] = options_digest("align", batch.align.cache_inputs(batch.models), asked, upstream)
        if diarize is not None:
            stages["diarize"] = options_digest("diarize", diarize)
        outputs = options_digest("write", stages, batch.write.layout())  # without the check, which changes none of them
        if batch.check:
            stages["check"] = options_digest("check", batch.check.key_inputs(), stages)
        if batch.second_pass is None:
            return cls(stages, outputs, outputs)
        again = batch.second_pass.second_inputs(transcribe, batch.models)
        stages["transcribe again"] = options_digest("transcribe again", again, stages["check"])
        if batch.align:
            stages["align again"] = options_digest("align again", stages["align"], stages["transcribe again"])
        stages["check again"] = options_digest("check again", stages)
        return cls(stages, options_digest("write", outputs, stages["check again"]), outputs)
