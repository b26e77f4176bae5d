"""The programs that are compared: how each is started, and with what in its environment."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg
from harness.measured import Measured, measure
from harness.services import Services, cluster, nothing, warm_pools
from harness.services import box as make_up
from programs.options import Models

from flows.host.allocator_env import KEEP_MEMORY
from tasks.alignment.punkt import ensure_sentence_data
from tasks.models.local_copies import cache_folder

BIN = Path(sys.executable).parent
HERE = Path(__file__).parent.parent / "programs"
OURS, WHISPERX, RAY_DATA, COMPUTE = "whisperx-batch", "whisperx", "Ray Data", "compute alone"
COMMANDS = {
    OURS: [str(BIN / "whisperx-batch")],
    WHISPERX: [str(BIN / "whisperx")],
    RAY_DATA: [sys.executable, str(HERE / "ray_data_pipeline.py")],
    COMPUTE: [sys.executable, str(HERE / "compute.py")],
}


@dataclass(frozen=True)
class Program:
    """One of the programs, with options and services of its own."""

    kind: str
    variant: str = ""
    extra: tuple[str, ...] = ()
    services: Services = nothing
    after_one: bool = False
    """It is measured after a run that is not, which leaves its pools warm."""

    @property
    def name(self) -> str:
        """What the tables call it."""
        return f"{self.kind}{self.variant}"

    def run(self, files: Sequence[Path], models: Models, out: Path, bench: Path) -> Measured:
        """Run it and measure it. `bench` is the folder that `prepare` has filled."""
        command = [*COMMANDS[self.kind], *map(str, files), *models.options(), *self.extra, "-o"]
        home = out.with_suffix(".prefect")
        shutil.copytree(bench / "prefect", home)
        kept = KEEP_MEMORY if self.kind == COMPUTE else {}  # as the actors of ours have it
        with self.services(home) as added:
            environment = {**_environment(bench), **kept, **added}
            if self.after_one:
                first = [*command, str(out.with_suffix(".before"))]
                subprocess.run(first, env=environment, check=True, capture_output=True)
            return measure([*command, str(out)], environment, out)


def with_threads(kind: str) -> list[Program]:
    """Return a peer with each of the thread settings that may suit it best."""
    settings = sorted({1, min(4, os.cpu_count() or 1)})  # 4 is what `whisperx` takes by itself
    return [Program(kind, f" --threads {number}", ("--threads", str(number))) for number in settings]


ALL = [Program(OURS), *with_threads(WHISPERX), *with_threads(RAY_DATA), Program(COMPUTE)]
COLD_AND_WARM = [
    Program(OURS, ", cold"),
    Program(OURS, ", beside make up", services=make_up),
    Program(OURS, ", warm pools", ("--keep_warm", "10m"), warm_pools, after_one=True),
    *with_threads(WHISPERX),
]
ACTORS = [
    Program(OURS),
    Program(OURS, ", two threads for each model", ("--threads", "2")),
    *(Program(OURS, f", {n} to transcribe", ("--transcribe_actor_size", str(n))) for n in (1, 2)),
]
MORE_ON_A_GPU = "--transcribe_actor_size 2 --transcribe_num_gpus 0.2 --align_actor_size 2 --align_num_gpus 0.1 "
MORE_ON_A_GPU += "--diarize_actor_size 3 --diarize_num_gpus 0.1"
GPU_ACTORS = [Program(OURS), Program(OURS, ", more actors", tuple(MORE_ON_A_GPU.split()))]
NODES = [Program(OURS, f", {n} nodes", services=cluster(n)) for n in (1, 2, 3)]


def _environment(bench: Path) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "RAY_"))},
        "PATH": f"{bench / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "NLTK_DATA": str(cache_folder() / "nltk_data"),
        "HF_HUB_OFFLINE": "1",
    }


def prepare(bench: Path) -> None:
    """Get what the programs need: ffmpeg for WhisperX, sentence data, a Prefect database, as after a first run."""
    (bench / "bin").mkdir(parents=True, exist_ok=True)
    shutil.copy(imageio_ffmpeg.get_ffmpeg_exe(), bench / "bin" / "ffmpeg")
    ensure_sentence_data("en")
    shutil.rmtree(bench / "prefect", ignore_errors=True)
    environment = {**_environment(bench), "PREFECT_HOME": str(bench / "prefect")}
    upgrade = [str(BIN / "prefect"), "server", "database", "upgrade", "-y"]
    subprocess.run(upgrade, env=environment, check=True, capture_output=True)
