"""Errors that end a run as a whole, and how they are explained to its user."""

import httpx
from prefect.exceptions import PrefectException
from prefect.settings import PREFECT_API_URL
from pydantic import ValidationError

from tasks.errors import InvalidInput
from tasks.oom import is_out_of_memory
from tasks.storage.filesystems import UnsupportedLocation

GO_ON = "the same command goes on where it stopped"
RAY_LOGS = "Ray's logs (docs/reference.md says where they are)"
UNREACHABLE = (
    "couldn't connect to",
    "cannot find the requested files in the local cache",
    "Cannot find an appropriate cached snapshot folder",
    "Max retries exceeded",
    "Network is unreachable",
    "Name or service not known",
    "Failed to resolve",
)
"""Messages of huggingface_hub, transformers and torch.hub without a network."""


class RunBroken(Exception):
    """The run as a whole has failed, not some of its files; the message is shown to the user."""


class ModelsNotLoaded(RunBroken):
    """No actor of a pool can load its models."""

    def __init__(self, pool: str, cause: BaseException | str) -> None:
        reason = cause if isinstance(cause, str) else f"{brief(cause)}{_advice(cause)}"
        super().__init__(f"the pool {pool!r} cannot load its models: {reason}")


class PoolNotUp(RunBroken):
    """No actor of a pool has started."""

    def __init__(self, pool: str, reason: str) -> None:
        super().__init__(f"the pool {pool!r} has not come up: {reason}")


EXPECTED = (RunBroken, InvalidInput, UnsupportedLocation)
"""Errors that end a run whose message is enough: no traceback is logged."""


def in_words(error: BaseException) -> str:
    """Return what ended a run, on one line, for a user who knows neither Ray nor Prefect."""
    if isinstance(error, EXPECTED):
        return str(error)
    if isinstance(error, ValidationError):
        return "; ".join(problem["msg"].removeprefix("Value error, ") for problem in error.errors())
    if isinstance(error, (httpx.HTTPError, PrefectException)):
        return (
            f"the Prefect server at {PREFECT_API_URL.value()} does not answer as it should ({brief(error)}); "
            f"once it does, {GO_ON}"
        )
    if _is_of_ray(error):
        return f"Ray failed ({brief(error)}); see {RAY_LOGS}; {GO_ON}"
    return brief(error)


def brief(error: BaseException) -> str:
    """Return an exception's type and message on one line; of Ray's, which may be a traceback, the last line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines[-1:] if _is_of_ray(error) else lines)}"


def _advice(cause: BaseException) -> str:
    if is_out_of_memory(cause):
        return "; end what else uses the GPU, or choose a smaller --model or --compute_type int8"
    if isinstance(cause, ConnectionError) or any(words in str(cause) for words in UNREACHABLE):
        return "; fetch the models where there is a network, with whisperx-batch-models, and name that --model_dir"
    return ""


def _is_of_ray(error: BaseException) -> bool:
    from ray.exceptions import RayError  # here: what plans and places pools does without Ray

    return isinstance(error, RayError)
