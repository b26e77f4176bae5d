"""Where models come from and what they run on: options of all stages."""

import os
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from tasks.options import Options


class ModelOptions(Options):
    """Where models come from and what they run on, for all stages."""

    model_dir: str | None = Field(None, description="folder where model files are kept (default: the libraries' own)")
    offline: bool = Field(
        False,
        description="use no network: all models must be on this machine, which is checked before the run starts",
    )
    model_cache_only: bool = Field(
        False, validate_default=True, description="use models that are already there, never download"
    )
    device: Literal["cuda", "cpu"] | None = Field(None, description="default: cuda where PyTorch sees a GPU")
    device_index: int = Field(0, ge=0, description="no effect: Ray assigns GPUs, see CUDA_VISIBLE_DEVICES")
    threads: int = Field(0, ge=0, description="CPU threads of one model (default: the cores, shared out)")

    @field_validator("model_cache_only")
    @classmethod
    def _offline_is_cache_only(cls, cache_only: bool, info: ValidationInfo) -> bool:  # noqa: FBT001, pydantic's form
        return cache_only or bool(info.data.get("offline"))

    def torch_device(self) -> str:
        """Return the device by name, asking PyTorch where it was left open."""
        if self.device:
            return self.device
        import torch

        return "cuda" if torch.cuda.is_available() else "cpu"


def go_offline() -> None:
    """Keep the libraries of this process and of its children off the network.

    Call it before any of them is imported: those of Hugging Face read the variables at import.
    """
    os.environ |= {
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "PYANNOTE_METRICS_ENABLED": "false",
        "RAY_USAGE_STATS_ENABLED": "0",
    }


def decline_statistics() -> None:
    """Keep pyannote.audio from sending its maker the length of each file and the number of speakers, unless asked to.

    Call it in each process that loads one of its models, before it is imported.
    """
    os.environ.setdefault("PYANNOTE_METRICS_ENABLED", "false")
