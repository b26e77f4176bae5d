"""Whether the Hugging Face Hub lets us download a model, asked before it is needed."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import cache, partial
from typing import TypeVar

import httpx

from tasks.models.sources import Repository

T = TypeVar("T")
TIMEOUT_S = 10.0
GATED = "it is gated"
NETWORK_ERRORS = (OSError, httpx.HTTPError)
"""What the Hub's client raises where the Hub cannot be reached: from version 1 httpx's errors, before that those of
requests, which are OSErrors."""


class HubUnreachable(RuntimeError):
    """The Hub does not answer, or not as it should."""


def refusal(source: Repository, alternative: str = "", timeout_s: float = TIMEOUT_S) -> str | None:
    """Return why the Hub refuses this model; None if it can be downloaded.

    `alternative` is added where the model is gated. Raises HubUnreachable, after at most `timeout_s`.
    """
    name, *others = source.needed[0]
    certain = not others and "*" not in name
    reason = _refusal(source.name, name, source.revision, timeout_s, certain=certain)
    return f"{reason}{alternative}" if reason and reason.startswith(GATED) else reason


@cache
def _refusal(repository: str, name: str, revision: str | None, timeout_s: float, *, certain: bool) -> str | None:
    """Ask for a file that the model needs; unless `certain`, the file may have another name too.

    Not for the repository: the Hub answers that also for a gated one.
    """
    from huggingface_hub import constants, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, HfHubHTTPError, RepositoryNotFoundError
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    url = hf_hub_url(repository, name, revision=revision)
    try:
        # Not get_hf_file_metadata, which goes on trying for 23 s where nobody answers.
        ask = partial(get_session().head, url, headers=build_hf_headers(), timeout=timeout_s)
        hf_raise_for_status(answer_within(timeout_s, ask))
    except GatedRepoError:
        return (
            f"{GATED}: accept its terms at {constants.ENDPOINT}/{repository}, and set HF_TOKEN to a token of that "
            f"account, from {constants.ENDPOINT}/settings/tokens"
        )
    except RepositoryNotFoundError:
        return (
            f"neither a folder here nor a model on {constants.ENDPOINT} that HF_TOKEN opens "
            "(in a deployment, name a folder by its absolute path)"
        )
    except EntryNotFoundError as error:
        return f"it has no {name}, so it is no model of this kind: {_first_line(error)}" if certain else None
    except HfHubHTTPError as error:
        if error.response is not None and error.response.status_code in (401, 403):
            return f"{constants.ENDPOINT} refuses HF_TOKEN: {_first_line(error)}"
        raise HubUnreachable(_first_line(error)) from error
    except NETWORK_ERRORS as error:
        raise HubUnreachable(_cause(error)) from error
    return None


def answer_within(seconds: float, ask: Callable[[], T]) -> T:
    """Return what `ask` returns, or raise what it raises; TimeoutError if it takes longer.

    The timeouts of HTTP clients are for each step and each address of a host, and none is for looking up its name.
    """
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(ask())
        except Exception as error:
            answer.set_exception(error)

    threading.Thread(target=run, name="asking", daemon=True).start()
    try:
        return answer.result(seconds)
    except TimeoutError:
        raise TimeoutError(f"no answer in {seconds:g} s") from None


def _cause(error: BaseException) -> str:
    """Return the error of the network that requests and urllib3 have wrapped, without their names."""
    while inner := getattr(error, "reason", None) or next((a for a in error.args if isinstance(a, Exception)), None):
        error = inner
    return str(error).split("): ", 1)[-1] or type(error).__name__


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
