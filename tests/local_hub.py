"""A server on loopback that answers as the Hugging Face Hub does, to its real client: what that asks for, no more."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import unquote

from loopback import served

TOKEN = "hf_of_who_accepted"
LARGE = 100_000
"""Bytes from which on the Hub keeps a file by its SHA-256 (Git LFS), and not by that of git."""


@dataclass
class LocalHub:
    """Its repositories, as folders; those that are gated; what it was asked for."""

    repositories: dict[str, Path]
    gated: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    url: str = ""

    @contextmanager
    def serving(self) -> Iterator["LocalHub"]:
        """Answer, for the length of a `with`."""
        hub = self

        class Answer(_Answer):
            pass

        Answer.hub = hub
        with served(Answer) as self.url:
            yield self

    def commit(self, name: str) -> str:
        """Return the commit of a repository: it changes with its files."""
        folder = self.repositories[name]
        known = [f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in files_in(folder)]
        return hashlib.sha1("\n".join(known).encode()).hexdigest()


def files_in(folder: Path) -> list[Path]:
    """Return the files below a folder."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Answer(BaseHTTPRequestHandler):
    hub: LocalHub

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = unquote(self.path).partition("?")[0]
        self.hub.asked.append(f"{self.command} {path}")
        if path.startswith("/api/models/") and "/tree/" in path:
            self._refuse(404, "EntryNotFound", "Folder not found")  # Transformers asks for one that few models have
        elif path.startswith("/api/models/"):
            self._describe(path.removeprefix("/api/models/").partition("/revision/")[0])
        else:
            name, _, rest = path.strip("/").partition("/resolve/")
            self._send_file(name, rest.partition("/")[2], body=body)

    def _describe(self, name: str) -> None:
        """Also of a gated repository, as the Hub does."""
        folder = self.hub.repositories.get(name)
        if folder is None:
            self._refuse(404, "RepoNotFound", "Repository not found")
            return
        siblings = [{"rfilename": str(path.relative_to(folder))} for path in files_in(folder)]
        described = {"id": name, "modelId": name, "sha": self.hub.commit(name), "siblings": siblings, "tags": []}
        self._send(200, {"Content-Type": "application/json"}, json.dumps(described).encode())

    def _send_file(self, name: str, file: str, *, body: bool) -> None:
        folder = self.hub.repositories.get(name)
        if folder is None:
            self._refuse(401, "RepoNotFound", "Repository not found")
            return
        if name in self.hub.gated and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._refuse(401, "GatedRepo", f"Access to model {name} is restricted.")
            return
        path = folder / file
        if not path.is_file():
            self._refuse(404, "EntryNotFound", "Entry not found")
            return
        content, headers = path.read_bytes(), {"X-Repo-Commit": self.hub.commit(name)}
        if len(content) >= LARGE:
            headers |= {"X-Linked-Etag": f'"{_sha256(path)}"', "X-Linked-Size": str(len(content)), "ETag": '"xet"'}
        else:
            blob = hashlib.sha1(b"blob %d\0" % len(content) + content)  # as git names it
            headers["ETag"] = f'"{blob.hexdigest()}"'
        self._send(200, headers, content, body=body)

    def _refuse(self, status: int, code: str, message: str) -> None:
        self._send(status, {"X-Error-Code": code, "X-Error-Message": message}, b"")

    def _send(self, status: int, headers: dict[str, str], content: bytes, *, body: bool = True) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body and self.command == "GET":
            self.wfile.write(content)
