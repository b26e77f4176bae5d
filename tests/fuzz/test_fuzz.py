"""tests/fuzz/decoder.py, for a few seconds: `make fuzz` goes on for longer."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def test_no_mutation_of_a_recording_gets_anything_but_its_own_fault_out_of_the_decoder(
    recordings: dict[str, Path], tmp_path: Path
) -> None:
    """In a process of its own, which would not survive a crash of FFmpeg; the same mutations every time."""
    pytest.importorskip("atheris", reason="its wheels are for Linux on x86-64")
    shutil.copytree(next(iter(recordings.values())).parent, tmp_path / "fuzz" / "recordings")
    program = Path(__file__).parent / "decoder.py"
    line = [sys.executable, str(program), "-runs=200", "-seed=1"]
    run = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "stat::number_of_executed_units: 2" in run.stderr
