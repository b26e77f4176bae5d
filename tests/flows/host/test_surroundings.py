"""flows/host/surroundings.py, end to end: folders and environments that are hostile, or poorer than usual."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import COMMAND, SAMPLES
from loopback import free_port

from flows.host.surroundings import bypass_proxy

MODULES = ("ctypes", "ray", "torch", "prefect", "psutil", "uvicorn", "whisperx", "sitecustomize", "logging/__init__")
PACKAGES = ("flows", "tasks")


class Stranger(NamedTuple):
    """Another user of this machine."""

    number: int
    folder: Path
    prefix: list[str]
    """What a command line begins with to be theirs."""


def make_hostile(folder: Path) -> None:
    """Fill a folder with what programs may import or obey: each piece would leave a file behind, or end the run."""
    folder.mkdir()
    modules = [*MODULES, *(f"{name}/__init__" for name in PACKAGES), "tasks", "flows/reaper"]
    for module in modules:
        path = folder / f"{module}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"open({str(folder / 'obeyed')!r}, 'a').write({module!r})\n")
    nobody = "http://127.0.0.1:9/api"
    (folder / ".env").write_text(f"PREFECT_API_URL={nobody}\nPREFECT_CLIENT_RETRY_JITTER_FACTOR=nonsense\n")
    (folder / "prefect.toml").write_text(f'[api]\nurl = "{nobody}"\n[logging]\nsettings_path = "logging.yml"\n')
    (folder / "pyproject.toml").write_text(f'[tool.prefect.api]\nurl = "{nobody}"\n')
    (folder / "whisperx-batch.toml").write_text('output_format = "txt,json"\n')
    (folder / "logging.yml").write_text(
        f"version: 1\nhandlers: {{mark: {{class: logging.FileHandler, filename: {folder / 'obeyed'}}}}}\n"
    )


def listing(folder: Path) -> list[str]:
    """Return all that lies in a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_run_in_a_hostile_folder_behind_a_dead_proxy_under_nohup_comes_through(
    alone: dict[str, str], tiny_en: str, tmp_path: Path
) -> None:
    """Nothing there is imported, and of settings only harmless ones of ours are read; SIGHUP stays ignored."""
    folder, out = tmp_path / "downloaded", tmp_path / "out"
    make_hostile(folder)
    shutil.copy(SAMPLES / "en" / "hello_world.wav", folder)
    before = listing(folder)
    proxy = f"http://127.0.0.1:{free_port()}"
    names = ("http_proxy", "https_proxy", "all_proxy")
    environment = {key: value for key, value in alone.items() if key.lower() != "no_proxy"}
    environment |= dict.fromkeys((*names, *map(str.upper, names)), proxy) | {"PYTHONDONTWRITEBYTECODE": ""}
    options = ["--model", tiny_en, "--language", "en", "--compute_type", "int8", "--align_model", "whisper"]
    run = subprocess.Popen(
        [COMMAND, "hello_world.wav", *options, "-o", "../out"],
        cwd=folder,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),  # noqa: PLW1509 - what nohup does
    )
    while not (out / ".whisperx-batch").exists() and run.poll() is None:
        time.sleep(0.1)
    os.killpg(run.pid, signal.SIGHUP)
    _, said = run.communicate()
    assert run.returncode == 0, said
    assert "hello" in (out / "hello_world.txt").read_text().lower()
    assert listing(folder) == before
    assert f"Settings: {folder / 'whisperx-batch.toml'}" in said
    assert sorted(path.suffix for path in out.glob("hello*")) == [".json", ".txt"]


@pytest.fixture(name="stranger")
def _stranger() -> Iterator[Stranger]:
    """A user of whom the system knows only a number, with 64 MB of /dev/shm: as in a container, by default."""
    number = 60_000 + os.getpid() % 5_000
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    prefix = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=64m tmpfs /dev/shm && exec "$@"', "sh"]
    # It may read all, because Python may lie in a home folder, and write nothing of others.
    may_read = [f"--{which}-caps=+dac_read_search" for which in ("inh", "ambient")]
    prefix += ["setpriv", f"--reuid={number}", f"--regid={number}", "--clear-groups", *may_read]
    try:
        os.chown(folder, number, number)
        subprocess.run([*prefix, COMMAND, "--version"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        folder.rmdir()
        pytest.skip("takes root, unshare and setpriv")
    yield Stranger(number, folder, prefix)
    shutil.rmtree(folder)
    shutil.rmtree(f"/tmp/whisperx-batch.{number}", ignore_errors=True)


def test_the_command_for_models_obeys_nothing_in_a_hostile_folder(alone: dict[str, str], tmp_path: Path) -> None:
    """It imports Prefect too, which reads settings."""
    folder = tmp_path / "downloaded"
    make_hostile(folder)
    before = listing(folder)
    line = [f"{COMMAND}-models", "--model_dir", str(tmp_path / "models"), "--model", "tiny", "--offline"]
    done = subprocess.run(line, cwd=folder, env=alone, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("failed   Systran/faster-whisper-tiny"), done.stderr
    assert listing(folder) == before


def test_a_user_without_home_with_a_long_tmpdir_and_little_shared_memory_gets_transcripts(
    alone: dict[str, str], tiny_en: str, stranger: Stranger
) -> None:
    """What would be in the home folder, and Ray's sockets, lie in a short folder that nobody else can enter."""
    long = stranger.folder / ("x" * 90)
    long.mkdir()
    os.chown(long, stranger.number, stranger.number)
    shutil.copy(SAMPLES / "en" / "hello_world.wav", stranger.folder)
    environment = {key: value for key, value in alone.items() if not key.startswith(("PREFECT_", "XDG_"))}
    options = ["--model", tiny_en, "--language", "en", "--compute_type", "int8", "--align_model", "whisper"]
    done = subprocess.run(
        [*stranger.prefix, COMMAND, "hello_world.wav", *options, "-o", "out"],
        cwd=stranger.folder,
        env=environment | {"HOME": "/", "TMPDIR": str(long)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "hello" in (stranger.folder / "out" / "hello_world.txt").read_text().lower()
    assert "HOME=/ cannot be written to" in done.stderr
    assert "docker run --shm-size=" in done.stderr
    private = Path(f"/tmp/whisperx-batch.{stranger.number}")
    assert private.stat().st_mode & 0o777 == 0o700
    assert (private / "ray" / "session_latest" / "logs").is_dir()
    assert (private / "home" / ".ray" / "auth_token").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "127.0.0.1,localhost,::1"),
        ({"NO_PROXY": "corp.example, localhost"}, "corp.example,localhost,127.0.0.1,::1"),
        ({"no_proxy": "*"}, "*"),
    ],
)
def test_loopback_is_added_to_what_goes_without_a_proxy(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], expected: str
) -> None:
    """In both spellings, because programs differ in which one they read."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "")
        monkeypatch.setenv(name, given.get(name, ""))
    bypass_proxy()
    if expected == "*":
        assert "*" in (os.environ["no_proxy"], os.environ["NO_PROXY"])
    else:
        assert os.environ["no_proxy"] == os.environ["NO_PROXY"] == expected
