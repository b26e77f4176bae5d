"""A machine of the Ray cluster."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Node:
    """What one machine of the Ray cluster offers, and where its Ray process listens."""

    cpus: float
    gpus: int
    id: str = ""
    """Ray's identifier; a machine that has left and joins again has another."""
    host: str = ""
    port: int = 0
    store_bytes: int = 0
    """The size of its part of the object store."""
    draining: bool = False
    """It is about to leave: Ray was told to drain it, or the cloud has announced that it takes it back."""
    standby: bool = False
    """It is to have a process that waits for the next run; see flows/pools/nodes/standby.py."""

    def __str__(self) -> str:
        """Return what the machine is called in messages."""
        gpus = f", {self.gpus} GPU{'' if self.gpus == 1 else 's'}" if self.gpus else ""
        return f"{self.host} ({self.cpus:g} CPUs{gpus})"
