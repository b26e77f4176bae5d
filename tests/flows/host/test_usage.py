"""flows/host/usage.py: how busy this machine is."""

import time

from flows.host.usage import UsageHistory, machine_usage


def test_a_busy_machine_is_seen_as_busy() -> None:
    """At least the core that this test keeps busy; GPUs, where there are any, have a share too."""
    machine_usage()
    ends = time.monotonic() + 0.5
    while time.monotonic() < ends:
        pass
    cpu, gpu = machine_usage()
    assert 0 < cpu <= 1
    assert gpu is None or 0 <= gpu <= 1
    history = UsageHistory()
    assert history.lines() == []
    history.add([])
    history.add([machine_usage()])
    assert history.lines()[0].startswith("CPU ")
