"""flows/model_store/aligners.py: whether a better aligner can be loaded, asked of a hub that speaks as the real one."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from local_hub import LocalHub

from flows.config.parameters import Batch
from flows.model_store.aligners import BetterTiming
from flows.model_store.hub import _refusal
from tasks.models.registry import default_aligners
from tasks.written import Fallback

DUTCH = default_aligners()["nl"]


def timing(folder: Path, *, align: dict[str, Any] | None = None, **models: Any) -> BetterTiming:
    """Return what would be found out in a run with its models in this folder."""
    return BetterTiming(Batch.model_validate({"align": align or {}, "models": {"model_dir": str(folder), **models}}))


def timed(language: str, method: str) -> Fallback:
    """Return that a method has timed words of a language, and that no aligner was broken."""
    return Fallback(language=language, aligned_by=method, broken={})


@pytest.fixture(name="silent")
def _silent() -> Iterator[str]:
    """The address of a server that takes requests and does not answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_the_hub_is_asked_once_for_each_language(hub: LocalHub, tmp_path: Path, small_models: Path) -> None:
    """What it has now can be loaded; what it does not have is named."""
    found = timing(tmp_path)
    for _ in range(3):
        lacking = found.lacking(timed("nl", "whisper"))
        assert lacking
        assert lacking.startswith(f"nl: {DUTCH}: neither a folder here nor a model on {hub.url}")
    assert found.reasons() == [lacking]
    assert hub.asked == [f"HEAD /{DUTCH}/resolve/main/config.json"]
    hub.repositories[DUTCH] = small_models / "align-tiny"
    _refusal.cache_clear()
    assert timing(tmp_path).lacking(timed("nl", "whisper")) is None
    assert "downloads are off" in str(timing(tmp_path, model_cache_only=True).lacking(timed("nl", "whisper")))


def test_methods_that_are_not_better_are_not_asked_for(hub: LocalHub, tmp_path: Path) -> None:
    """Words that the best method has timed cannot be timed better; a named aligner is before WhisperX's own."""
    assert timing(tmp_path).lacking(timed("nl", DUTCH)) is None
    assert timing(tmp_path).lacking(timed("xx", "whisper")) is None
    assert hub.asked == []
    named = timing(tmp_path, align={"align_model": "nl=some/aligner"})
    assert str(named.lacking(timed("nl", DUTCH))).startswith("nl: some/aligner: ")
    assert str(named.lacking(timed("nl", "whisper"))).count("nl: ") == 2
    without_whisper = timing(tmp_path, offline=True).lacking(timed("xx", "segments"))
    assert without_whisper == "xx: Systran/faster-whisper-small is not here, and downloads are off"


def test_servers_that_do_not_answer_take_five_seconds_at_most(
    hub: LocalHub, silent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Hub's and torchaudio's together, whatever languages there are."""
    from huggingface_hub import file_download

    monkeypatch.setattr(
        file_download, "HUGGINGFACE_CO_URL_TEMPLATE", f"{silent}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    )
    monkeypatch.setenv("HTTPS_PROXY", silent)
    monkeypatch.delenv("NO_PROXY", raising=False)
    found = timing(tmp_path)
    found.lacking(timed("xx", "whisper"))
    import torchaudio  # noqa: F401, whose import is not what is timed

    started = time.monotonic()
    for language in ("en", "nl", "de", "ja", "pl"):
        assert "is not here, and cannot be downloaded (" in str(found.lacking(timed(language, "whisper")))
    assert time.monotonic() - started < 6
    assert len(found.reasons()) == 5
    assert "download.pytorch.org: " in found.reasons()[1]


@pytest.mark.parametrize(("proxy", "said"), [("socks5://127.0.0.1:9", "socksio"), ("odd://127.0.0.1:9", "proxy URL")])
def test_a_proxy_that_the_client_does_not_know_fails_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: str, said: str
) -> None:
    """Its words are timed already: they stay as they are."""
    monkeypatch.setenv("ALL_PROXY", proxy)
    lacking = str(timing(tmp_path).lacking(timed("en", "whisper")))
    assert "WAV2VEC2_ASR_BASE_960H is not here, and cannot be downloaded (download.pytorch.org: " in lacking
    assert said in lacking
