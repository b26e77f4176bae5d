"""Which Ray a run uses; makes one of a single machine listen only on 127.0.0.1."""

import os

LOOPBACK_RAY = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Ray's switch between a machine that is one of a cluster's, and one by itself, which is 127.0.0.1 to itself. In spite
of its name it works on Linux, where Ray would listen on every interface, and take 127.0.0.1 for the machine's address
to the others. Ray reads it when it is imported (`ray._private.ray_constants`)."""


def ray_to_join(address: str | None) -> str | None:
    """Return the address of the Ray to join, by the option or RAY_ADDRESS; None if one is started on this machine.

    Ray itself would start one for "local" too, with its own defaults: reachable from other machines.
    """
    asked = address or os.environ.get("RAY_ADDRESS")
    return asked if asked and asked != "local" else None


def keep_to_loopback(address: str | None) -> None:
    """Let the Ray that this process will start, or join at this `address`, if it is on 127.0.0.1, stay there."""
    if not address or is_loopback(address):
        os.environ.setdefault(LOOPBACK_RAY, "0")


def is_loopback(address: str) -> bool:
    """Return whether the Ray at an address runs on this machine alone."""
    return address.rpartition(":")[0] in ("127.0.0.1", "localhost")
