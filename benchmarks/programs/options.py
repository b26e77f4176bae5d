"""What all programs of the benchmark are given alike: files and WhisperX's own options."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Models:
    """The models of a case, as folders; without `diarize` no speakers are labelled."""

    whisper: Path
    align: Path
    diarize: Path | None = None
    device: str = "cpu"
    compute_type: str = "int8"

    def options(self) -> list[str]:
        """Return the options of any of the programs."""
        speakers = ["--diarize", "--diarize_model", str(self.diarize)] if self.diarize else []
        return [
            *("--model", str(self.whisper), "--language", "en", "--compute_type", self.compute_type),
            *("--align_model", str(self.align), "--device", self.device, "--output_format", "json", *speakers),
        ]


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return those options, for the programs that are written for the benchmark alone."""
    parser = argparse.ArgumentParser()
    parser.add_argument("audio", nargs="+")
    for name in ("model", "language", "compute_type", "align_model", "device", "output_format", "diarize_model"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--diarize", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output_dir", "-o")
    return parser.parse_args(arguments)
