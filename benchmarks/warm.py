"""Whether anything grows from run to run with --keep_warm: `python benchmarks/warm.py [RUNS]`.

Each run has other options and another file than the one before, and goes on with the same processes. After each, prints
for every kind of process that stays: the resident set size and the unique set size in MB (what its end would free), its
threads and open files. In the end, what each kind has grown by for a run, over the second half of the runs. For Linux.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from itertools import cycle
from pathlib import Path

import numpy as np
import psutil
from harness.processes import kind_of

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from conftest import COMMAND, built_models, cut_speech, whisper_base

SECONDS = (6, 20, 9, 14, 4)
Sizes = dict[str, tuple[float, float, int, int]]
"""By the kind of process: MB resident, MB of its own, threads, open files."""


def option_sets() -> list[list[str]]:
    """Return the options that take turns."""
    english = ["--language", "en", "--align_model", str(built_models() / "align-tiny")]
    speakers = ["--diarize", "--diarize_model", str(built_models() / "diarize-tiny")]
    return [
        [*english, "-f", "all"],
        [*english, *speakers, "-f", "json,srt,rttm", "--batch_size", "2"],
        ["--no_align", "-f", "txt", "--initial_prompt", "Hello.", "--suppress_numerals"],  # its language is detected
        ["--language", "de", "--no_align", *speakers, "-f", "docx,json", "--batch_size", "1"],
    ]


def sizes(folder: Path) -> Sizes:
    """Return the sizes of the keeper whose Ray has its files in this folder, and of what it has started."""
    found: Sizes = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("RAY_TMPDIR") == str(folder):
                kind, memory = kind_of(" ".join(process.cmdline())), process.memory_full_info()
                here = memory.rss / 1e6, memory.uss / 1e6, process.num_threads(), process.num_fds()
                r, u, t, f = map(sum, zip(found.get(kind, (0, 0, 0, 0)), here, strict=True))
                found[kind] = (r, u, int(t), int(f))
    return dict(sorted(found.items()))


def main(runs: int) -> None:
    """Run them in turn."""
    folder = Path(tempfile.mkdtemp(prefix="w", dir="/tmp"))  # short: Ray makes sockets below
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "RAY_"))}
    environment |= {"RAY_TMPDIR": str(folder), "PREFECT_HOME": str(folder / "prefect"), "HF_HUB_OFFLINE": "1"}
    line = [COMMAND, "--model", str(whisper_base()), "--compute_type", "int8", "--device", "cpu", "--keep_warm", "9m"]
    seen: list[Sizes] = []
    try:
        for number, seconds, options in zip(range(runs), cycle(SECONDS), cycle(option_sets()), strict=False):
            names = [f"{each}.wav" for each in range(number + 1)]
            file = cut_speech(folder / "cut", *names, seconds=seconds) / names[-1]
            began = time.monotonic()
            ran = [*line, str(file), "-o", str(folder / str(number)), *options]
            done = subprocess.run(ran, env=environment, check=True, capture_output=True, text=True)
            took = time.monotonic() - began
            seen.append(sizes(folder))
            each = "; ".join(f"{k} {r:.0f} {u:.0f} MB {t} {f}" for k, (r, u, t, f) in seen[-1].items())
            warm = "warm" if "from an earlier run" in done.stderr else "cold"
            print(f"{number + 1}, {warm}, {took:.1f} s: {each}", flush=True)
    finally:
        subprocess.run([COMMAND, "--stop_warm"], env=environment, check=False)
        shutil.rmtree(folder, ignore_errors=True)
    half = seen[len(seen) // 2 :]
    for kind in half[0]:
        slope = np.polyfit(range(len(half)), [each[kind][1] for each in half], 1)[0]
        print(f"{kind}: {slope:+.2f} MB a run")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
