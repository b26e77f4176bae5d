"""flows/preflight/services.py: the Ray cluster and the Prefect server that a run is to use are not there."""

import subprocess
import time
from pathlib import Path

import pytest
from conftest import COMMAND, TWO_SPEAKERS
from prefect.settings import PREFECT_API_AUTH_STRING, temporary_settings

from flows.preflight.services import check_prefect, check_ray
from tasks.errors import InvalidInput

NOBODY = "127.0.0.1:9"


@pytest.mark.parametrize(
    ("variables", "options", "named"),
    [
        ({}, ["--ray_address", NOBODY], f"--ray_address {NOBODY}: the Ray cluster"),
        ({"RAY_ADDRESS": NOBODY}, [], f"RAY_ADDRESS {NOBODY}: the Ray cluster"),
        (
            {"PREFECT_API_URL": f"http://{NOBODY}/api"},
            [],
            f"PREFECT_API_URL http://{NOBODY}/api: the Prefect server",
        ),
    ],
)
def test_a_run_whose_services_are_not_there_says_so_at_once_and_ends(
    alone: dict[str, str], tiny_en: str, tmp_path: Path, variables: dict[str, str], options: list[str], named: str
) -> None:
    """In a few seconds, with the option or variable and status 2, before anything is started."""
    line = [COMMAND, str(TWO_SPEAKERS), "--model", tiny_en, "--no_align", "-o", str(tmp_path / "out"), *options]
    began = time.monotonic()
    done = subprocess.run(line, env=alone | variables, capture_output=True, text=True, check=False)
    assert time.monotonic() - began < 60
    assert done.returncode == 2, done.stderr
    (ended,) = done.stderr.splitlines()
    assert ended.startswith(f"whisperx-batch: {named} does not answer (")
    assert "or leave" in ended or "or unset" in ended


def test_a_host_that_takes_no_packets_is_given_up_in_five_seconds() -> None:
    """It refuses no connection either: 192.0.2.0/24 is nobody's."""
    began = time.monotonic()
    with pytest.raises(InvalidInput, match=r"--ray_address 192.0.2.1:6379: the Ray cluster does not answer"):
        check_ray("192.0.2.1:6379")
    assert time.monotonic() - began < 6


def test_a_server_that_refuses_the_password_is_told_from_one_that_is_away(api_url: str) -> None:
    """With the variable to set."""
    check_prefect()
    wrong = temporary_settings({PREFECT_API_AUTH_STRING: "whisperx-batch:wrong"})
    with wrong, pytest.raises(InvalidInput, match=r"HTTP 401.*PREFECT_API_AUTH_STRING"):
        check_prefect()


@pytest.mark.parametrize("address", ["head", "head:port", "ray://head:10001"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    """With an example of one."""
    with pytest.raises(InvalidInput, match="such as head:6379"):
        check_ray(address)
