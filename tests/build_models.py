"""Aligners and diarizers with seeded random weights, which run through the real code without a model hub.

`python build_models.py FOLDER` builds small ones, for the tests; `python build_models.py FOLDER base` an aligner of the
size of wav2vec2-base and a diarizer with the embedding of pyannote's community-1, for the benchmarks. Equal seeds give
equal weights: two programs that get one folder must give equal outputs.
"""

import json
import shutil
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unicodedata import category

import numpy as np
import torch
import whisperx
from pyannote.audio import Model
from pyannote.audio.core.task import Problem, Resolution, Specifications
from pyannote.audio.models.embedding import WeSpeakerResNet34, XVectorSincNet
from transformers import (
    Wav2Vec2Config,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    Wav2Vec2Processor,
)

SPECIAL = ["<pad>", "<s>", "</s>", "<unk>", "|"]
LETTERS = "ETAONIHSRDLUMWCFGYPBVK'XJQZ"
SAMPLES = Path(next(iter(find_spec("pytest_audioeval").submodule_search_locations))) / "samples" / "audio"
OTHER_LANGUAGES = ("es", "fr", "hi", "ja", "zh")
TINY_ALIGNER = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "conv_dim": (16,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}
DIARIZER = """\
version: 4.0.0
pipeline:
  name: pyannote.audio.pipelines.SpeakerDiarization
  params:
    clustering: VBxClustering
    segmentation: $model/segmentation
    segmentation_batch_size: 8
    embedding: $model/embedding
    embedding_batch_size: 8
    embedding_exclude_overlap: true
    plda: $model/plda
params:
  clustering: {threshold: 0.6, Fa: 0.07, Fb: 0.8}
  segmentation: {threshold: 0.5, min_duration_off: 0.0}
"""
PLDA_DIMENSION = 128


def letters_of(language: str) -> str:
    """Return what the reference texts of a language are written with."""
    texts = "".join(path.read_text() for path in sorted((SAMPLES / language).glob("*.txt")))
    return "".join(sorted({c for c in texts.lower() if not c.isspace() and not category(c).startswith("P")}))


def build_aligner(folder: Path, letters: str, sizes: dict[str, Any] = TINY_ALIGNER) -> None:
    """Write a Wav2Vec2ForCTC for these letters: of 23 thousand weights, or of other `sizes`; {}: of 94 million."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary, characters = folder / "vocab.json", [*SPECIAL, *letters]
    vocabulary.write_text(json.dumps({character: i for i, character in enumerate(characters)}))
    tokenizer = Wav2Vec2CTCTokenizer(str(vocabulary), pad_token="<pad>", unk_token="<unk>", word_delimiter_token="|")
    extractor = Wav2Vec2FeatureExtractor(
        feature_size=1, sampling_rate=16_000, padding_value=0.0, do_normalize=True, return_attention_mask=False
    )
    Wav2Vec2Processor(feature_extractor=extractor, tokenizer=tokenizer).save_pretrained(folder)
    torch.manual_seed(0)
    Wav2Vec2ForCTC(Wav2Vec2Config(vocab_size=len(characters), pad_token_id=0, **sizes)).save_pretrained(folder)


def build_diarizer(folder: Path, make: Callable[[], Model], dimension: int) -> None:
    """Write a pyannote pipeline: WhisperX's own segmentation model, a random embedding, a random PLDA.

    `make` makes the model of embeddings; `dimension` is theirs.
    """
    for part in ("segmentation", "embedding", "plda"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    shutil.copy(Path(whisperx.__file__).parent / "assets" / "pytorch_model.bin", folder / "segmentation")
    torch.manual_seed(0)
    embedding = make()
    checkpoint = {
        "state_dict": embedding.state_dict(),
        "hyper_parameters": dict(embedding.hparams),
        "pytorch-lightning_version": "2.4.0",
        "pyannote.audio": {
            "versions": {"torch": torch.__version__, "pyannote.audio": "4.0.0"},
            "architecture": {"module": type(embedding).__module__, "class": type(embedding).__name__},
            "specifications": Specifications(
                problem=Problem.REPRESENTATION, resolution=Resolution.CHUNK, duration=10.0
            ),
        },
    }
    torch.save(checkpoint, folder / "embedding" / "pytorch_model.bin")
    random = np.random.default_rng(0)
    lda, transform = (
        np.linalg.qr(random.normal(size=(rows, PLDA_DIMENSION)))[0] for rows in (dimension, PLDA_DIMENSION)
    )
    mean = np.zeros(PLDA_DIMENSION)
    np.savez(folder / "plda" / "xvec_transform.npz", mean1=np.zeros(dimension), mean2=mean, lda=lda)
    np.savez(folder / "plda" / "plda.npz", mu=mean, tr=transform, psi=np.linspace(5, 0.1, PLDA_DIMENSION))
    (folder / "config.yaml").write_text(DIARIZER)


def main(out: Path, kind: str = "tiny") -> None:
    """Build all of a kind below `out`."""
    if kind == "base":
        build_aligner(out / "align-base", LETTERS, {})
        build_diarizer(out / "diarize-base", WeSpeakerResNet34, 256)
        return
    build_diarizer(out / "diarize-tiny", partial(XVectorSincNet, dimension=PLDA_DIMENSION), PLDA_DIMENSION)
    build_aligner(out / "align-tiny", LETTERS)
    for language in OTHER_LANGUAGES:
        build_aligner(out / f"align-{language}", letters_of(language))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
