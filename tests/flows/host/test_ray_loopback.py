"""flows/host/ray_loopback.py: which Ray a run joins."""

import pytest

from flows.host.ray_loopback import ray_to_join


@pytest.mark.parametrize(
    ("option", "variable", "address"),
    [
        (None, "", None),
        (None, "local", None),
        ("local", "head:6379", None),
        (None, "head:6379", "head:6379"),
        ("other:6379", "local", "other:6379"),
        ("auto", "", "auto"),
    ],
)
def test_the_option_goes_before_the_variable_and_local_is_no_ray_to_join(
    monkeypatch: pytest.MonkeyPatch, option: str | None, variable: str, address: str | None
) -> None:
    """An empty variable is none."""
    monkeypatch.setenv("RAY_ADDRESS", variable)
    assert ray_to_join(option) == address
