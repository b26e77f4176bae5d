"""From a model's name to the source that WhisperX, faster-whisper or pyannote.audio take it from."""

import hashlib
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from tasks.models.fingerprints import part_revisions, repository_of
from tasks.models.local_copies import ensure_local
from tasks.models.options import ModelOptions
from tasks.models.sources import Bundle, Repository, Source
from tasks.models.ungated import CAMPPLUS, UngatedPipeline

WHISPER = (("model.bin",), ("config.json",), ("tokenizer.json",), ("vocabulary.*",))
ALIGNER = (
    ("config.json",),
    ("preprocessor_config.json", "processor_config.json"),
    ("vocab.json", "tokenizer.json"),
    ("model*.safetensors", "pytorch_model*.bin"),
)
PIPELINE = (("config.yaml",),)
PART = (("pytorch_model.bin", "*.ckpt", "*.onnx"),)
DEFAULT_ALIGNERS = re.compile(r"^DEFAULT_ALIGN_MODELS\w* = \{(.*?)^\}", re.MULTILINE | re.DOTALL)
NAMED_ALIGNER = re.compile(r"['\"]([\w-]+)['\"]: ['\"]([^'\"]+)['\"]")
"""Not read with `ast`: Python before 3.11.9 raises SystemError if two threads parse at once (gh-106905)."""
ON_THE_HUB = re.compile(r"[\w.-]+/[\w.-]+")
DEFAULT_PLDA = "pyannote/speaker-diarization-community-1"
"""Where pyannote.audio 4 takes the PLDA from for a pipeline that names none, as those of version 3 do."""


def whisper_source(model: str) -> Repository:
    """Return where a Whisper model comes from."""
    model = ensure_local(model)
    wanted = tuple(name for group in WHISPER for name in group)
    return Repository(
        model if os.path.isdir(model) else repository_of(model), WHISPER, (*wanted, "preprocessor_config.json")
    )


def aligner_source(language: str, model: str | None) -> Source | None:
    """Return where the aligner of a language comes from; None if WhisperX has none and no `model` is named."""
    name = model or default_aligners().get(language)
    if name is None:
        return None
    if "/" not in name:
        import torchaudio

        if name in torchaudio.pipelines.__all__:
            return Bundle(name)
    return Repository(ensure_local(name), ALIGNER, ("*.json", "*.txt", "model*.safetensors", "pytorch_model*.bin"))


def aligner_version(language: str, model: str, model_dir: str | None) -> str:
    """Return what changes with an aligner's files on this machine, or the libraries that load them; "" if any lacks."""
    source = aligner_source(language, model)
    if source is None or source.missing(model_dir):
        return ""
    place = source.file(model_dir) if isinstance(source, Bundle) else source.folder(model_dir)
    files = sorted(place.iterdir()) if place and place.is_dir() else [place]
    found = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files if path]
    libraries = [version(name) for name in ("torch", "torchaudio", "transformers")]
    return hashlib.sha256(repr([found, libraries]).encode()).hexdigest()[:16]


def refuse_download(language: str, model: str | None, models: ModelOptions) -> None:
    """Raise ValueError if an aligner is not local: torchaudio would download it, whatever WhisperX is told."""
    source = aligner_source(language, model)
    if source and (missing := source.missing(models.model_dir)):
        raise ValueError(f"offline, and the aligner {source.name} is not here: no {', '.join(missing)}")


@cache
def default_aligners() -> dict[str, str]:
    """Return the name of WhisperX's aligner for each language that has one.

    From the source of WhisperX's module, whose import takes longer than Ray takes to start.
    """
    package = find_spec("whisperx")
    folder = next(iter(package.submodule_search_locations or [])) if package else ""
    source = Path(folder, "alignment.py").read_text(encoding="utf-8")
    named: dict[str, str] = {}
    for table in DEFAULT_ALIGNERS.findall(source):
        # Those of torchaudio are first, in that file and when WhisperX chooses.
        named = dict(NAMED_ALIGNER.findall(table)) | named
    return named


def diarizer_sources(model: str, model_dir: str | None) -> Sequence[Source]:
    """Return the source of a pyannote pipeline, then those of the models in its config.yaml, if that is local."""
    return [UngatedPipeline()] if model == CAMPPLUS else pipeline_sources(model, model_dir)


def pipeline_sources(model: str, model_dir: str | None) -> list[Repository]:
    """Return the same for a pipeline in a folder or on the Hub."""
    model = ensure_local(model)
    pipeline = Repository(model, PIPELINE)
    folder = pipeline.folder(model_dir)
    config = model if os.path.isfile(model) else folder and folder / "config.yaml"
    if config is None or not os.path.isfile(config):
        return [pipeline]
    named = yaml.safe_load(Path(config).read_text(encoding="utf-8"))["pipeline"]
    parts = dict(named.get("params") or {})
    if named["name"].endswith(".SpeakerDiarization") and "plda" not in parts:
        parts["plda"] = {"checkpoint": DEFAULT_PLDA, "subfolder": "plda"}
    own = [part.split("@")[0] for part in parts.values() if isinstance(part, str) and part.startswith("$model/")]
    needed = tuple((part.replace("$model/", "", 1) + "/*",) for part in own)
    return [replace(pipeline, needed=PIPELINE + needed), *filter(None, map(_part, parts.values()))]


def ensure_pipeline(model: str, models: ModelOptions) -> str:
    """Return what pyannote.audio loads a pipeline from: the path of a folder on this machine, or a name on the Hub.

    Raises OSError.
    """
    if model != CAMPPLUS:
        return ensure_local(model)
    pipeline = UngatedPipeline()
    if not models.model_cache_only:
        pipeline.fetch(models.model_dir)
    folder = pipeline.folder(models.model_dir)
    if missing := pipeline.missing(models.model_dir):
        raise FileNotFoundError(f"{folder}: missing {', '.join(missing)}, and downloads are off")
    return str(folder)


def fetch_pipeline_config(pipeline: Repository, model_dir: str | None) -> None:
    """Download a pipeline's config.yaml, 1 kB that names its parts, unless it is here. Raises OSError, HTTPError."""
    from huggingface_hub import hf_hub_download, hf_hub_url
    from huggingface_hub.utils import build_hf_headers, get_session

    if pipeline.folder(model_dir) is None:
        # The download goes on trying for 23 s where nobody answers.
        get_session().head(hf_hub_url(pipeline.name, "config.yaml"), headers=build_hf_headers(), timeout=10)
        hf_hub_download(pipeline.name, "config.yaml", cache_dir=model_dir)


@cache
def diarizer_parts(model: str, model_dir: str | None, *, offline: bool) -> dict[str, str]:
    """Return the digests of a pipeline's parts; see part_revisions."""
    if model == CAMPPLUS:
        return {}
    pipeline = pipeline_sources(model, model_dir)[0]
    if not offline and ON_THE_HUB.fullmatch(pipeline.name):
        with suppress(Exception):  # then the pipeline cannot be loaded either, and that says more
            fetch_pipeline_config(pipeline, model_dir)
    return part_revisions(pipeline_sources(model, model_dir), model_dir, offline=offline)


def _part(value: Any) -> Repository | None:
    """Return the model of the Hub that a value in a pipeline's config.yaml names, if it names one."""
    if isinstance(value, dict) and "checkpoint" in value:
        subfolder = value.get("subfolder")
        needed = ((f"{subfolder}/*",),) if subfolder else PART
        name, revision = str(value["checkpoint"]), value.get("revision")
    else:
        needed = PART
        name, _, revision = value.partition("@") if isinstance(value, str) else ("", "", None)
    if os.path.exists(name) or not ON_THE_HUB.fullmatch(name):
        return None
    return Repository(name, needed, revision=revision or None)
