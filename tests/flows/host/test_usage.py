"""flows/host/usage.py: how busy this machine is."""

import threading
import time

from flows.host.usage import Usage, UsageHistory, UsageMeter


def test_a_busy_machine_is_seen_as_busy() -> None:
    """At least the core that this test keeps busy; GPUs, where there are any, have a share too."""
    meter = UsageMeter()
    ends = time.monotonic() + 0.5
    while time.monotonic() < ends:
        pass
    read: list[Usage] = []
    thread = threading.Thread(target=lambda: read.append(meter.read()))  # as an actor does, in a thread of its own
    thread.start()
    thread.join()
    ((cpu, gpu),) = read
    assert 0 < cpu <= 1
    assert gpu is None or 0 <= gpu <= 1
    history = UsageHistory()
    assert history.lines() == []
    history.add([])
    history.add(read)
    assert history.lines()[0].startswith("CPU ")
