"""Provenance: where a transcript comes from and what made it."""

import os
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version
from typing import Any


@dataclass(frozen=True)
class Provenance:
    """What is known of a transcript's making."""

    source: str = ""
    """The recording, as the report names it."""
    source_date: date | None = None
    """The day that the recording was last changed; None if that is not known."""
    model: str = ""
    words_timed_by: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    """Those that differ from their defaults."""

    @property
    def model_name(self) -> str:
        """The model's name; of a folder only its last part, for a document may be passed on."""
        return os.path.basename(self.model.rstrip("/")) if os.path.isabs(self.model) else self.model

    def items(self) -> dict[str, str]:
        """Return what is known, by name, each in one line."""
        known = {
            "source": self.source,
            "source_date": self.source_date and self.source_date.isoformat(),
            "model": self.model_name,
            "words_timed_by": self.words_timed_by,
            "program": f"whisperx-batch {version('whisperx-batch')}, whisperx {version('whisperx')}",
            "options": ", ".join(f"{name}={value}" for name, value in self.options.items()),
        }
        return {name: " ".join(str(value).split()) for name, value in known.items() if value}

    def lines(self) -> list[str]:
        """Return the same as lines of text."""
        return [f"{name.replace('_', ' ').capitalize()}: {value}" for name, value in self.items().items()]
