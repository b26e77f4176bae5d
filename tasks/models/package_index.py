"""Files of packages, downloaded from a Python package index: pinned by name and SHA-256, never installed."""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import httpx

VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
"""Environment variables that name the index, the first that is set; as pip and uv have them."""
PYPI = "https://pypi.org/simple"
TIMEOUT_S = 30
ACCEPTED = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.5, text/html;q=0.1"


class NotOnIndex(OSError):
    """The index answers and does not have the file."""


class IndexUnreachable(OSError):
    """The index does not answer, or not as it should."""


class WrongContent(OSError):
    """What was downloaded is not the file that is pinned."""


@dataclass(frozen=True)
class PackageFile:
    """A wheel or source distribution."""

    project: str
    name: str
    sha256: str

    def locate(self) -> str:
        """Return its URL (PEP 503 and 691). Raises NotOnIndex, IndexUnreachable."""
        page = f"{_index()}/{self.project}/"
        with _errors_named(page):
            answer = httpx.get(page, headers={"Accept": ACCEPTED}, timeout=TIMEOUT_S, follow_redirects=True)
        if answer.status_code not in (404, 410):
            with _errors_named(page):
                answer.raise_for_status()
            for link in _links(answer):
                if unquote(urlsplit(link).path).rpartition("/")[2] == self.name:
                    return urljoin(str(answer.url), link)
        raise NotOnIndex(
            f"{_shown(page)} has no {self.name}: name an index that has it in {', '.join(VARIABLES)}, or use a machine "
            "that reaches https://pypi.org"
        )

    def download(self, path: Path) -> None:
        """Download it to a new file. Raises OSError, also as NotOnIndex, IndexUnreachable and WrongContent."""
        url, digest = self.locate(), hashlib.sha256()
        auth = _credentials() if urlsplit(url).hostname == urlsplit(_index()).hostname else None
        with (
            _errors_named(url),
            path.open("xb") as file,
            httpx.stream("GET", url, auth=auth, timeout=TIMEOUT_S, follow_redirects=True) as answer,
        ):
            answer.raise_for_status()
            for piece in answer.iter_bytes():
                file.write(piece)
                digest.update(piece)
        if digest.hexdigest() != self.sha256:
            raise WrongContent(f"{_shown(url)}: its SHA-256 is {digest.hexdigest()}, not {self.sha256}")


@contextmanager
def _errors_named(url: str) -> Iterator[None]:
    """Raise httpx's errors, which may show a password, as IndexUnreachable."""
    try:
        yield
    except httpx.HTTPStatusError as error:
        status = f"{error.response.status_code} {error.response.reason_phrase}"
        raise IndexUnreachable(f"{_shown(url)} answers {status}") from None
    except httpx.HTTPError as error:
        raise IndexUnreachable(f"{_shown(url)} cannot be reached: {error or type(error).__name__}") from error


def _index() -> str:
    named = next(filter(None, map(os.environ.get, VARIABLES)), PYPI)
    # uv takes NAME=URL
    return re.sub(r"^[\w.-]+=(?=https?://)", "", named).rstrip("/")


def _credentials() -> tuple[str, str] | None:
    """Return the user and password in the index's URL: links on its pages come without."""
    parts = urlsplit(_index())
    return (unquote(parts.username), unquote(parts.password or "")) if parts.username else None


def _links(answer: httpx.Response) -> list[str]:
    """Return the links of a project's page, which older indexes have as HTML alone."""
    if "json" in answer.headers.get("Content-Type", ""):
        return [str(file["url"]) for file in json.loads(answer.content)["files"]]
    return [unescape(link) for link in re.findall(r"""<a\s[^>]*?href=["']([^"']+)["']""", answer.text)]


def _shown(url: str) -> str:
    """Return a URL without the password in it."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
