"""A package index on loopback, which answers as PyPI does, or as older indexes do."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import quote, unquote

from loopback import served


@dataclass
class LocalIndex:
    """The content of each file, by project and name; how it answers; what it was asked for."""

    files: dict[tuple[str, str], bytes] = field(default_factory=dict)
    json: bool = True
    authorization: str | None = None
    """The header that a client must send."""
    asked: list[str] = field(default_factory=list)
    url: str = ""

    @contextmanager
    def serving(self) -> Iterator["LocalIndex"]:
        """Answer, for the length of a `with`."""

        class Answer(_Answer):
            index = self

        with served(Answer) as self.url:
            yield self


class _Answer(BaseHTTPRequestHandler):
    index: LocalIndex

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self.index.asked.append(self.path)
        kind, project, name = [*unquote(self.path).strip("/").split("/"), ""][:3]
        names = [known for of, known in self.index.files if of == project]
        if self.index.authorization and self.headers.get("Authorization") != self.index.authorization:
            self._send(401, "text/plain", b"")
        elif kind == "simple" and names:
            self._send_page(project, names)
        elif kind == "files" and name in names:
            self._send(200, "application/zip", self.index.files[project, name])
        else:
            self._send(404, "text/plain", b"")

    def _send_page(self, project: str, names: list[str]) -> None:
        if self.index.json and "simple.v1+json" in self.headers["Accept"]:
            files = [{"filename": name, "url": f"{self.index.url}/files/{project}/{quote(name)}"} for name in names]
            self._send(200, "application/vnd.pypi.simple.v1+json", json.dumps({"files": files}).encode())
        else:
            links = [
                f"<a data-requires-python='&gt;=3' href='../../files/{project}/{quote(name)}#sha256=0'>{name}</a>"
                for name in names
            ]
            self._send(200, "text/html", "".join(["<a href='x.whl'>x</a>", *links]).encode())

    def _send(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
