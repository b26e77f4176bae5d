"""The recording of a transcript, as a page beside it can play it."""

import os
from dataclasses import dataclass
from urllib.parse import quote, unquote

from tasks.storage.urls import is_url


@dataclass(frozen=True)
class Recording:
    """A relative URL; without one, why the page cannot play it."""

    link: str = ""
    problem: str = "it is not known where the recording is"

    @property
    def path(self) -> str:
        """The link as people read it."""
        return unquote(self.link, errors="replace")

    @classmethod
    def beside(cls, path: str, page: str, track_number: int = 0) -> "Recording":
        """Return the recording at `path` for a page, both absolute; `track_number` 0: the track that players take."""
        if is_url(path) or is_url(page):
            return cls(problem="the recording or this page is in a store, and pages load nothing from the network")
        if track_number:
            return cls(problem=f"the transcript is of track {track_number}, and browsers play the first")
        return cls(relative_url(path, os.path.dirname(page)))


def relative_url(path: str, folder: str) -> str:
    """Return the URL of a local file relative to a folder; its bytes need not be valid Unicode."""
    return quote(os.fsencode(os.path.relpath(path, folder)))
