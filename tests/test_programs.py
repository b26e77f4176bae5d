"""flows/host/programs.py: what we tell people to type can be typed."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from flows.host.programs import typed


def test_a_program_is_named_by_its_path_where_path_does_not_lead_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither where there is none of this name, nor where it is that of another environment."""
    own = str(Path(sys.executable).parent / "prefect")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert typed("prefect server start") == f"{own} server start"
    other = tmp_path / "prefect"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    assert typed("prefect server start") == f"{own} server start"


def test_a_program_is_named_by_its_name_in_an_activated_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by way of a link, as `uv tool install` makes them."""
    own = Path(sys.executable).parent
    monkeypatch.setenv("PATH", str(own))
    assert typed("prefect server start") == "prefect server start"
    (tmp_path / "prefect").symlink_to(own / "prefect")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert typed("prefect server start") == "prefect server start"


@pytest.mark.parametrize(("program", "argument"), [("prefect", "version"), ("ray", "--version")])
def test_what_is_printed_can_be_typed(program: str, argument: str) -> None:
    """In a shell whose PATH has nothing of ours."""
    line = shlex.split(typed(f"{program} {argument}"))
    ran = subprocess.run(line, env={**os.environ, "PATH": "/usr/bin:/bin"}, capture_output=True, check=False)
    assert ran.returncode == 0
