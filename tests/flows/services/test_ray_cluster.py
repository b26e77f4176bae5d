"""flows/services/ray_cluster.py: a Ray that starts too slowly."""

import subprocess

import pytest

from flows.services.ray_cluster import STARTS, _started_here

SLOW = "The current node timed out during startup. This could happen because some of the raylet failed to startup"


def test_a_ray_that_was_too_slow_to_start_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the first try has left is ended; other errors, and the last, are told."""
    left: list[subprocess.Popen[bytes]] = []

    def init(**_: object) -> str:
        if len(left) < 1:
            left.append(subprocess.Popen(["sleep", "60"]))
            raise Exception(SLOW)  # noqa: TRY002 - as Ray raises it
        return "started"

    monkeypatch.setattr("ray.init", init)
    monkeypatch.setattr("ray.shutdown", lambda: None)
    assert _started_here(dashboard=False) == "started"
    assert left[0].wait(timeout=5) == -9


@pytest.mark.parametrize(("message", "tries"), [(SLOW, STARTS), ("no space left", 1)])
def test_what_does_not_pass_ends_the_run(monkeypatch: pytest.MonkeyPatch, message: str, tries: int) -> None:
    """After so many tries."""
    tried: list[str] = []

    def init(**_: object) -> None:
        tried.append(message)
        raise RuntimeError(message)

    monkeypatch.setattr("ray.init", init)
    monkeypatch.setattr("ray.shutdown", lambda: None)
    with pytest.raises(RuntimeError, match=message[:20]):
        _started_here(dashboard=False)
    assert len(tried) == tries
