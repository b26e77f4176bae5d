"""What the fuzz targets share: where their inputs lie, and the limits beyond which an input counts as a finding."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import atheris

FOLDER = Path("fuzz").absolute()

LIMITS = ["-timeout=30", "-rss_limit_mb=6000", "-max_len=65536", "-print_final_stats=1", "-verbosity=0"]


def fuzz(name: str, target: Callable[[bytes], None], seeds: dict[str, bytes], **mutating: Any) -> None:
    """Run the target on mutations of the seeds, and of what they lead to, with the options of libFuzzer in sys.argv.

    Whatever it raises, a crash of the process, 30 s or 6 GB end the run; the input is then kept as fuzz/<name>-….
    """
    corpus = FOLDER / name
    corpus.mkdir(parents=True, exist_ok=True)
    for seed, content in seeds.items():
        (corpus / seed).write_bytes(content)
    line = [sys.argv[0], f"-artifact_prefix={FOLDER / name}-", *LIMITS, *sys.argv[1:], str(corpus)]
    atheris.Setup(line, target, **mutating)
    atheris.Fuzz()
