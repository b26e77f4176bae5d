"""Checks of an offline run: whether its models are on this machine, and the command that fetches missing ones."""

import shlex
from collections.abc import Collection

from flows.config.parameters import Batch
from flows.model_store.lockfile import missing, read_record
from flows.model_store.requirements import aligners_for, required_models
from tasks.errors import InvalidInput


def check_here(batch: Batch, stages: frozenset[str], said: Collection[str]) -> None:
    """Raise InvalidInput, with everything that is missing, unless these stages' models are on this machine."""
    model_dir = batch.models.model_dir
    record = read_record(model_dir)
    languages = sorted(said if batch.transcribe.fixed_language else {*said, *record.languages})
    named = required_models(
        batch.transcribe,
        aligners_for(languages, batch.align, batch.transcribe),
        batch.diarize,
        model_dir,
        batch.whisper_models.get("second_model"),
    )
    gone = [
        f"  {need}: {', '.join(lacks)}"
        for need in named
        if need.stage in stages and (lacks := missing(need.source, model_dir, record))
    ]
    if gone:
        where = model_dir or "the caches of this machine"
        raise InvalidInput(
            "\n".join([f"--offline: missing in {where}:", *gone, "To fetch it:", f"  {_command(batch, languages)}"])
        )


def offline_notices(batch: Batch) -> list[str]:
    """Return a notice of the languages that an offline run can align, unless the language is set."""
    if not batch.models.offline or batch.transcribe.language:
        return []
    pairs = aligners_for(read_record(batch.models.model_dir).languages, batch.align, batch.transcribe)
    if batch.align is None or not pairs:
        return []
    here = ", ".join(language for language, _ in pairs)
    return [f"--offline, and no --language: only aligners of {here} are known to be here"]


def _command(batch: Batch, languages: list[str]) -> str:
    """Return the command that fetches what the batch needs."""
    words = [
        "whisperx-batch-models",
        "--model_dir",
        batch.models.model_dir or "FOLDER",
        "--model",
        batch.transcribe.model,
    ]
    if batch.transcribe.language:
        words += ["--language", batch.transcribe.language]
    elif languages:
        words += ["--languages", ",".join(languages)]
    if batch.align is None:
        words += ["--no_align"]
    elif batch.align.align_model:
        words += ["--align_model", batch.align.align_model]
    if "second_model" in batch.whisper_models:
        words += ["--second_pass", "--second_model", batch.whisper_models["second_model"]]
    if batch.diarize:
        words += ["--diarize", "--diarize_model", batch.diarize.diarize_model]
    return shlex.join(words)
