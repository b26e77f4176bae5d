"""A machine of the Ray cluster."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Node:
    """What one machine of the Ray cluster offers."""

    cpus: float
    gpus: int
