"""Fetching models into a folder, pinned and checked: what `whisperx-batch-models` does."""

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from flows.config.parameters import Batch
from flows.model_store.hub import NETWORK_ERRORS, refusal
from flows.model_store.lockfile import Pinned, Record, add_to_record, damaged, key, missing, pin, read_record
from flows.model_store.requirements import ModelRequirement, aligners_for, required_models
from tasks.models.sources import Bundle, Repository, Source
from tasks.models.ungated import UngatedPipeline


class ModelUnavailable(RuntimeError):
    """A model is not here in full, and could not be fetched; the message says why."""


def ensure_models(batch: Batch, languages: list[str]) -> Iterator[str | ModelUnavailable]:
    """Fetch and check the models that a batch in these languages needs; yield for each what was done, or why not.

    Raises InvalidInput, and HubUnreachable at the first model that the Hub is needed for.
    """
    model_dir = str(batch.models.model_dir)
    record, seen = read_record(model_dir), set()
    pairs = aligners_for(languages or record.languages, batch.align, batch.transcribe)

    def unseen() -> list[ModelRequirement]:
        named = required_models(
            batch.transcribe, pairs, batch.diarize, model_dir, batch.whisper_models.get("second_model")
        )
        return [need for need in named if key(need.source) not in seen]

    # In a loop: the parts of a diarization pipeline are known only once it is here.
    while todo := unseen():
        need = todo[0]
        seen.add(key(need.source))
        try:
            yield _provide_one(need, model_dir, record, offline=batch.models.offline)
        except ModelUnavailable as error:
            yield error


def _provide_one(need: ModelRequirement, model_dir: str, record: Record, *, offline: bool) -> str:
    source = need.source
    if isinstance(source, Repository) and Path(source.name).exists():
        if lacks := source.missing(model_dir):
            raise ModelUnavailable(f"{need}: no {', '.join(lacks)}")
        return f"yours    {need}"
    pinned = record.models.get(key(source))
    bad = damaged(pinned, model_dir) if pinned else []
    lacks = bad or missing(source, model_dir, record)
    if lacks and offline:
        raise ModelUnavailable(f"{need}: missing or damaged: {', '.join(lacks)}")
    if lacks:
        for name in bad:
            _remove(Path(model_dir, name), model_dir)
        _fetch(need, model_dir, pinned.revision if pinned else None)
    if lacks or not pinned:
        pinned = _pin(source, model_dir)
    add_to_record(model_dir, key(source), pinned, need.language)
    commit = f" at {pinned.revision[:7]}" if pinned.revision else ""
    done = "fetched" if lacks else "there"
    licences = f"; {source.licences}" if isinstance(source, UngatedPipeline) else ""
    size = f"{pinned.size() / 1e6:,.1f} MB"
    return f"{done:8} {need}{commit}: files {len(pinned.files)}, {size}, checksums right{licences}"


def _pin(source: Source, model_dir: str) -> Pinned:
    try:
        return pin(source, model_dir)
    except OSError as error:
        raise ModelUnavailable(f"{source.name}: {error}") from error


def _remove(path: Path, model_dir: str) -> None:
    """Remove a file, and what it links to within the folder, as those in the Hub's layout do."""
    for each in (path.resolve(), path):
        with suppress(FileNotFoundError):
            if each == path or each.is_relative_to(Path(model_dir).resolve()):
                each.unlink()


def _fetch(need: ModelRequirement, model_dir: str, revision: str | None) -> None:
    """Download a model: at the commit `revision`, or the newest of what the source asks for.

    Raises ModelUnavailable, HubUnreachable.
    """
    source = need.source
    try:
        if isinstance(source, Bundle):
            _fetch_bundle(source, model_dir)
        elif isinstance(source, UngatedPipeline):
            source.fetch(model_dir)
        elif reason := refusal(source, need.alternative):
            raise ModelUnavailable(f"{source.name}: {reason}")
        else:
            _fetch_repository(source, model_dir, revision)
    except NETWORK_ERRORS as error:
        raise ModelUnavailable(f"{source.name}: could not be fetched: {error}") from error


def _fetch_repository(source: Repository, model_dir: str, revision: str | None) -> None:
    from huggingface_hub import HfApi, snapshot_download

    asked = source.revision or "main"
    found = HfApi().model_info(source.name, revision=revision or asked, timeout=10)
    chosen = source.choose([file.rfilename for file in found.siblings or []])
    folder = Path(snapshot_download(source.name, revision=found.sha, cache_dir=model_dir, allow_patterns=chosen))
    if asked != found.sha:
        # A download by commit leaves no reference, by which the libraries look a model up.
        reference = folder.parent.parent / "refs" / asked
        reference.parent.mkdir(parents=True, exist_ok=True)
        reference.write_text(str(found.sha))


def _fetch_bundle(source: Bundle, model_dir: str) -> None:
    """Download an aligner as torchaudio does when it loads it, and see that it loads."""
    import torchaudio

    Path(model_dir).mkdir(parents=True, exist_ok=True)
    where = {"model_dir": model_dir, "progress": sys.stderr.isatty()}
    try:
        getattr(torchaudio.pipelines, source.name).get_model(dl_kwargs=where)
    except RuntimeError as error:
        _remove(source.file(model_dir), model_dir)
        raise ModelUnavailable(f"{source.name}: what was fetched does not load: {error}") from error
