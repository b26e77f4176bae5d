"""flows/host/collector.py: the collector is paused where many objects are made, and leaves them out afterwards."""

import gc

from flows.host.collector import collector_paused


def test_what_is_made_meanwhile_is_never_walked_through() -> None:
    """The interpreter does so several times at its end, for which the user waits."""
    frozen = gc.get_freeze_count()
    with collector_paused():
        assert not gc.isenabled()
        made = [[number] for number in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() >= frozen + len(made)
