"""The size of the stages' pools, as far as the user sets it."""

from pydantic import Field

from tasks.options import Options


class PoolSettings(Options):
    """The actors of each stage and what each reserves; unset values are derived from the machines."""

    load_audio_num_tasks: int = Field(2, ge=1, description="files that are decoded at a time, for each GPU")
    load_audio_num_cpus: float = Field(0.5, gt=0, description="CPUs reserved for each of them")
    transcribe_actor_size: int | None = Field(None, ge=1, description="actors that transcribe (default: one a GPU)")
    transcribe_num_gpus: float | None = Field(None, ge=0, description="GPUs each reserves (default: 0.4)")
    transcribe_num_cpus: float | None = Field(None, ge=0, description="CPUs each reserves (default: 1)")
    align_actor_size: int | None = Field(None, ge=1, description="actors that align (default: one a GPU)")
    align_num_gpus: float | None = Field(None, ge=0, description="GPUs each reserves (default: 0.3)")
    align_num_cpus: float | None = Field(None, ge=0, description="CPUs each reserves (default: 1)")
    diarize_actor_size: int | None = Field(None, ge=1, description="actors that diarize (default: one a GPU)")
    diarize_num_gpus: float | None = Field(None, ge=0, description="GPUs each reserves (default: 0.1)")
    diarize_num_cpus: float | None = Field(None, ge=0, description="CPUs each reserves (default: 1)")

    def chosen(self) -> bool:
        """Return whether the user has sized any stage that runs a model."""
        return any(value is not None for name, value in self if not name.startswith("load_audio"))
