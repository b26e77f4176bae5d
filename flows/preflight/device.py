"""Where the models will run, and the check that a GPU is there if one is asked for."""

from flows.config.parameters import Batch
from flows.host.ray_loopback import is_loopback, ray_to_join
from tasks.errors import InvalidInput


def cluster_address(address: str | None) -> str | None:
    """Return the address of the Ray cluster to join, by the option or RAY_ADDRESS; None: Ray runs on this machine."""
    found = ray_to_join(address)
    return None if found == "auto" else found  # then Ray looks for one on this machine


def runs_elsewhere(address: str | None) -> bool:
    """Return whether models may be loaded on other machines than this one: those of a Ray cluster that is joined."""
    cluster = cluster_address(address)
    return cluster is not None and not is_loopback(cluster)


def check_device(batch: Batch) -> None:
    """Raise InvalidInput if CUDA is asked for and this machine, on which Ray will run, has no GPU for PyTorch."""
    if batch.models.device != "cuda" or cluster_address(batch.run.ray_address):
        return
    import torch

    if not torch.cuda.is_available():
        raise InvalidInput(
            "--device cuda: PyTorch sees no NVIDIA GPU on this machine; leave --device out to run on the CPU, or see "
            "with nvidia-smi whether the driver works"
        )
